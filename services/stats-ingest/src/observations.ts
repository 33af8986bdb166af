/** Who reported as a machine's agent and from where, and calls of it that were refused: for diagnosis. Pure. */
import type { AgentInstance, AgentSituation, ReportRefusedCallRequest } from '@lms/proto';

/** An agent that is started again and again; two that take turns are among the last. */
const MAXIMUM_INSTANCES = 8;

export interface Origin {
  readonly sourceAddress: string;
  readonly clockAheadMilliseconds: bigint | null;
}

export interface Observations {
  /** Of the last batch of statistics. */
  readonly origin: Origin | null;
  /** That reported about the machine last. */
  readonly replicationServer: string;
  /** Those that reported last are last. */
  readonly instances: readonly AgentInstance[];
  readonly refusedCall: ReportRefusedCallRequest | null;
}

export const NOTHING_OBSERVED: Observations = {
  origin: null,
  replicationServer: '',
  instances: [],
  refusedCall: null,
};

/**
 * An agent that is started anew has another instance id, and the old one never comes again: its spooled samples are sent
 * before those of its successor. One that comes again after another is a second agent.
 */
export function withInstance(
  instances: readonly AgentInstance[],
  situation: AgentSituation,
  sourceAddress: string,
  at: Date,
): readonly AgentInstance[] {
  const { instanceId, hostName } = situation;
  const last = instances.at(-1);
  const known = instances.find((instance) => instance.instanceId === instanceId);
  const returned = known !== undefined && last !== known;
  const seen: AgentInstance = {
    instanceId,
    hostName,
    sourceAddress,
    firstAt: known?.firstAt ?? at,
    lastAt: at,
    returnedAt: returned ? at : known?.returnedAt,
  };
  return [...instances.filter((instance) => instance !== known), seen].slice(-MAXIMUM_INSTANCES);
}
