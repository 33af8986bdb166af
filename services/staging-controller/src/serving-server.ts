/** What a replication server said of itself, and what is known of the one that serves a machine: for diagnosis. */
import { blockStreamServerName } from '@lms/identity';
import type { GetServingServerResponse } from '@lms/proto';
import type { StagingDriver } from './driver.ts';
import type { MachineWays } from './machine-ways.ts';
import type { Sightings } from './sightings.ts';
import type { ServerAddress, StagingStore } from './store.ts';

/** Addresses of pods come and go: the last ones say enough. */
const MAXIMUM_FORMER_ADDRESSES = 16;

/** The same object when it says nothing new. None told: a server of before, of which the addresses are not known. */
export function withReport(
  current: ServerAddress | null,
  report: Pick<ServerAddress, 'address' | 'port' | 'interfaceAddresses'>,
  now: Date,
): ServerAddress {
  const { address, port, interfaceAddresses } = report;
  const before = current ?? { interfaceAddresses: [], formerAddresses: [] };
  const same =
    current?.address === address &&
    current.port === port &&
    current.interfaceAddresses.join() === interfaceAddresses.join();
  if (same) return current;
  const missing = before.interfaceAddresses.filter((one) => !interfaceAddresses.includes(one));
  const known = before.formerAddresses.filter((former) => !interfaceAddresses.includes(former.address));
  const gone = interfaceAddresses.length === 0 ? [] : missing;
  const formerAddresses = [...known, ...gone.map((one) => ({ address: one, until: now.toISOString() }))];
  return { address, port, interfaceAddresses, formerAddresses: formerAddresses.slice(-MAXIMUM_FORMER_ADDRESSES) };
}

export interface ServerParts {
  readonly store: Pick<StagingStore, 'assignments' | 'servers'>;
  readonly sightings: Pick<Sightings, 'calledAt' | 'clockAhead'>;
  readonly driver: Pick<StagingDriver, 'observe'>;
  readonly ways: Pick<MachineWays, 'named'>;
}

export function describeServer(
  { store, sightings, driver, ways }: ServerParts,
  machineId: string,
): GetServingServerResponse {
  const name = store.assignments.get(machineId)?.value.replicationServer ?? '';
  const observed = name === '' ? null : driver.observe(name);
  const reported = name === '' ? null : (store.servers.get(name)?.value ?? null);
  const serverName = blockStreamServerName(machineId);
  const clockAheadMilliseconds = sightings.clockAhead(name);
  return {
    replicationServer: name,
    ...(observed === null ? {} : { running: observed.running }),
    failure: observed?.stagingError ?? observed?.failure?.message ?? '',
    calledAt: sightings.calledAt(name) ?? undefined,
    address: reported?.address ?? '',
    port: reported?.port ?? 0,
    interfaceAddresses: [...(reported?.interfaceAddresses ?? [])],
    formerAddresses: (reported?.formerAddresses ?? []).map(({ address, until }) => ({
      address,
      until: new Date(until),
    })),
    ...(clockAheadMilliseconds === null ? {} : { clockAheadMilliseconds }),
    endpoints: ways.named(machineId).map((endpoint) => ({ ...endpoint, serverName })),
  };
}
