/**
 * What is known of a machine at one instant, from every side, for the rules in `causes.ts`. Nothing here is a judgement;
 * unknown is null. Times are the manager's unless they say otherwise.
 */
import type { ReplicationState, StallCause } from '@lms/api';

export interface Failure {
  /** A word of FAILURE_REASONS (@lms/block-stream). */
  readonly reason: string;
  readonly message: string;
  /** `host:port`. */
  readonly address: string | null;
  /** Of who reports it, by its own clock. */
  readonly at: Date;
  readonly count: number;
}

export interface AgentFailure extends Failure {
  /** The first of this kind in a row, by the agent's clock. */
  readonly since: Date;
  /** IP addresses that the host's name stood for at the agent; of an IP address none. */
  readonly resolved: readonly string[];
}

export interface AgentFacts {
  /** The later of its last heartbeat and its last statistics. */
  readonly heardAt: Date | null;
  /** Its last statistics: what the rest of this is from. */
  readonly reportedAt: Date | null;
  readonly hostName: string | null;
  /** That it comes to the manager from: its own, or that of what stands between. */
  readonly sourceAddress: string | null;
  /** Its clock minus the manager's. */
  readonly clockAheadSeconds: number | null;
  readonly certificateExpiresAt: Date | null;
  readonly state: ReplicationState | null;
  readonly stallCause: StallCause | null;
  readonly detail: string | null;
  /** Whether it has a session on 1500. */
  readonly connected: boolean | null;
  /** The last on 1500, whether or not there is a session since. */
  readonly failure: AgentFailure | null;
  readonly managerFailure: { readonly message: string; readonly at: Date | null } | null;
  /** What its log warned of last. */
  readonly lastWarning: { readonly message: string; readonly at: Date } | null;
}

/** A call on 443 by which it proved who it is, and was not let in. */
export interface RefusedCallFacts {
  readonly reason: string;
  readonly message: string;
  readonly at: Date;
  readonly clockAheadSeconds: number | null;
  readonly sourceAddress: string | null;
}

export interface InstanceFacts {
  readonly instanceId: string;
  readonly hostName: string;
  readonly sourceAddress: string;
  readonly lastAt: Date;
  /** It reported again after another one had. */
  readonly returnedAt: Date | null;
}

export interface ServerRefusal extends Failure {
  /** A certificate says that it was this machine; else the client claimed it, or nobody knows whose it was. */
  readonly proven: boolean;
}

export interface ServerFacts {
  readonly name: string;
  /** As the place says where it runs; null: the place cannot tell. */
  readonly running: boolean | null;
  /** Why it does not run or start. */
  readonly failure: string | null;
  /** When it last called the manager, in any way. */
  readonly heardAt: Date | null;
  readonly clockAheadSeconds: number | null;
  readonly interfaceAddresses: readonly string[];
  readonly formerAddresses: readonly { readonly address: string; readonly until: Date }[];
  /** Whether the machine has a session there; null: it has not said. */
  readonly connected: boolean | null;
  readonly refusals: readonly ServerRefusal[];
  readonly stallCause: StallCause | null;
  readonly stallDetail: string | null;
  readonly freeBytes: number | null;
}

export interface EndpointFacts {
  readonly host: string;
  readonly port: number;
  /** IP addresses that the host's name stands for at the manager; of an IP address, itself. */
  readonly resolved: readonly string[];
}

/** What the disks changed against what was sent, over some time up to now. */
export interface RateFacts {
  readonly seconds: number;
  readonly backlogBefore: number;
  readonly backlogNow: number;
  /** Of the source, before compression; a block that was changed twice in between counts once. */
  readonly writtenBytesPerSecond: number;
  /** Before compression. */
  readonly sentBytesPerSecond: number;
  readonly wireBitsPerSecond: number;
}

export interface CheckFacts {
  readonly at: Date;
  /** Null: it passed. */
  readonly reason: string | null;
  readonly message: string;
}

export interface DiagnosisFacts {
  readonly now: Date;
  readonly machine: { readonly id: string; readonly name: string };
  readonly removedAt: Date | null;
  readonly paused: boolean;
  readonly agent: AgentFacts;
  readonly refusedCall: RefusedCallFacts | null;
  readonly instances: readonly InstanceFacts[];
  /** Null: none is assigned, or it is not known which. */
  readonly server: ServerFacts | null;
  /** What the agent is told to connect to. */
  readonly endpoints: readonly EndpointFacts[];
  readonly rates: RateFacts | null;
  readonly bandwidthLimitBitsPerSecond: number | null;
  readonly failedStep: { readonly step: string; readonly error: string; readonly at: Date | null } | null;
  /** Of 1500, by the agent, asked for now; null: it was not asked. */
  readonly check: CheckFacts | null;
  /** Sides that did not answer, and why. */
  readonly unknown: readonly { readonly side: string; readonly reason: string }[];
}
