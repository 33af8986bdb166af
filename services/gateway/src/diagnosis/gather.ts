/**
 * Asks every side what it knows of a machine. A side that does not answer makes the picture poorer and not the diagnosis
 * fail: what it would have said is unknown, and that it was silent is evidence itself.
 */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { LmsError, toLmsError } from '@lms/errors';
import {
  InitiationStep,
  StepState,
  wordOf,
  type GetMachineObservationsResponse,
  type InitiationStepReport,
  type Machine,
} from '@lms/proto';
import type { ServiceClients } from '../manager-services.ts';
import type { AgentFacts, DiagnosisFacts, EndpointFacts } from './facts.ts';
import { agentFactsOf, instancesOf, refusedCallOf } from './agent-facts.ts';
import { ratesOf } from './rates.ts';
import { serverFactsOf } from './server-facts.ts';

const DEADLINE = { deadlineMilliseconds: 5_000 };
const RESOLVE_MILLISECONDS = 2_000;
/** What the write rate is taken from. */
const RATE_MILLISECONDS = 60_000;
const LOG_RECORDS = 50;

type Clients = Pick<ServiceClients, 'registry' | 'statistics' | 'staging' | 'logs'>;
interface Silence {
  readonly side: string;
  readonly reason: string;
}

/** NOT_FOUND when there is no such machine, and there was none. */
export async function gatherFacts(clients: Clients, idOrName: string, now: Date): Promise<DiagnosisFacts> {
  const machine = await findMachine(clients, idOrName);
  if ('removedAt' in machine) return removedFacts(machine, now);
  const { machineId } = machine;
  const silences: Silence[] = [];
  const ask = async <Answer>(side: string, question: Promise<Answer>): Promise<Answer | null> => {
    try {
      return await question;
    } catch (thrown) {
      silences.push({ side, reason: toLmsError(thrown).message });
      return null;
    }
  };
  const since = new Date(now.getTime() - RATE_MILLISECONDS);
  const [observations, series, serving, initiation, logs] = await Promise.all([
    ask('statistics', clients.statistics.getMachineObservations({ machineId }, DEADLINE)),
    ask('write rate', clients.statistics.getSeries({ machineId, since, limit: 100 }, DEADLINE)),
    ask('replication server', clients.staging.getServingServer({ machineId }, DEADLINE)),
    ask('initiation', clients.staging.getInitiation({ machineId }, DEADLINE)),
    ask(
      'log of the agent',
      clients.logs.queryLogs({ source: 'agent', id: machineId, limit: LOG_RECORDS, beforePosition: 0n }, DEADLINE),
    ),
  ]);
  return {
    now,
    machine: { id: machineId, name: machine.name },
    removedAt: null,
    paused: machine.paused,
    agent: agentFactsOf(machine, observations, logs?.records ?? []),
    refusedCall: refusedCallOf(observations),
    instances: instancesOf(observations),
    server: serverFactsOf(serving, observations),
    endpoints: await Promise.all((serving?.endpoints ?? []).map(resolveEndpoint)),
    rates: ratesOf(series?.samples ?? []),
    bandwidthLimitBitsPerSecond: limitOf(observations),
    failedStep: failedStepOf(initiation?.steps ?? []),
    check: null,
    unknown: silences,
  };
}

interface Removed {
  readonly machineId: string;
  readonly name: string;
  readonly removedAt: Date;
}

async function findMachine({ registry }: Clients, idOrName: string): Promise<Machine | Removed> {
  try {
    const { machine } = await registry.getMachine({ idOrName }, DEADLINE);
    if (machine === undefined) throw new LmsError('INTERNAL', 'the registry sent no machine');
    return machine;
  } catch (thrown) {
    const { code } = toLmsError(thrown);
    if (code !== 'NOT_FOUND' && code !== 'REMOVED') throw thrown;
    const removed = await registry.getRemovedMachine({ idOrName }, DEADLINE).catch(() => null);
    // What was asked for is not known in either way: the first answer says what to do.
    if (removed?.machine?.removedAt === undefined) throw thrown;
    const { machineId, name, removedAt } = removed.machine;
    return { machineId, name: name || machineId, removedAt };
  }
}

const NOTHING_OF_AGENT: AgentFacts = {
  heardAt: null,
  reportedAt: null,
  hostName: null,
  sourceAddress: null,
  clockAheadSeconds: null,
  certificateExpiresAt: null,
  state: null,
  stallCause: null,
  detail: null,
  connected: null,
  failure: null,
  managerFailure: null,
  lastWarning: null,
};

function removedFacts({ machineId, name, removedAt }: Removed, now: Date): DiagnosisFacts {
  return {
    now,
    machine: { id: machineId, name },
    removedAt,
    paused: false,
    agent: NOTHING_OF_AGENT,
    refusedCall: null,
    instances: [],
    server: null,
    endpoints: [],
    rates: null,
    bandwidthLimitBitsPerSecond: null,
    failedStep: null,
    check: null,
    unknown: [],
  };
}

async function resolveEndpoint({ host, port }: { host: string; port: number }): Promise<EndpointFacts> {
  if (isIP(host) !== 0) return { host, port, resolved: [host] };
  const found = lookup(host, { all: true }).then((all) => all.map(({ address }) => address));
  const { promise, resolve } = Promise.withResolvers<string[]>();
  // The resolver of the system cannot be told to stop; its answer is then not waited for.
  const limit = setTimeout(() => resolve([]), RESOLVE_MILLISECONDS);
  try {
    return { host, port, resolved: await Promise.race([found.catch(() => []), promise]) };
  } finally {
    clearTimeout(limit);
  }
}

/** The lower of what each end says that holds now. */
function limitOf(observations: GetMachineObservationsResponse | null): number | null {
  const ends = [observations?.agent, observations?.replicationServer];
  const limits = ends.flatMap((end) => end?.bandwidthLimitBitsPerSecond ?? []).map(Number);
  return limits.length === 0 ? null : Math.min(...limits);
}

function failedStepOf(steps: readonly InitiationStepReport[]): DiagnosisFacts['failedStep'] {
  const failed = steps.find(({ state }) => state === StepState.FAILED);
  const step = failed === undefined ? null : wordOf(InitiationStep, failed.step);
  return failed === undefined || step === null ? null : { step, error: failed.error, at: failed.changedAt ?? null };
}
