/** What staging-controller keeps in state: who serves which machine, how far each one has come, and where servers listen. */
import { jsonState, StateBucket, type EventConnection } from '@lms/events';
import { combineHealth, type Health } from '@lms/service';
import { z } from 'zod';
import { STEP_RECORD } from './initiation.ts';
import { STORED_WAYS, type StoredWays } from './stored-ways.ts';

const SCHEMA_VERSION = 1;

export const ASSIGNMENT = z.object({ replicationServer: z.string(), assignedAt: z.string() });
export type Assignment = z.infer<typeof ASSIGNMENT>;

export const INITIATION = z.object({ steps: z.array(STEP_RECORD) });
export type Initiation = z.infer<typeof INITIATION>;

/** As the replication server said it last. */
export const SERVER_ADDRESS = z.object({
  address: z.string(),
  port: z.number().int().positive(),
  /** Its own IP addresses, and those that it had once, with the instant (RFC 3339) at which one was first missing. */
  interfaceAddresses: z.array(z.string()).default([]),
  formerAddresses: z.array(z.object({ address: z.string(), until: z.string() })).default([]),
});
export type ServerAddress = z.infer<typeof SERVER_ADDRESS>;

/** An operator has asked for it: the only thing that takes staging disks away. RFC 3339. */
export const REMOVAL = z.object({ requestedAt: z.string(), completedAt: z.string().nullable() });
export type Removal = z.infer<typeof REMOVAL>;

export interface StagingStore {
  /** By machine id. */
  readonly assignments: StateBucket<Assignment>;
  /** By machine id. */
  readonly initiations: StateBucket<Initiation>;
  /** By name of the replication server. */
  readonly servers: StateBucket<ServerAddress>;
  /** By machine id. */
  readonly removals: StateBucket<Removal>;
  /** By machine id; none: nothing was ever set for its addresses. */
  readonly ways: StateBucket<StoredWays>;
  health(): Health;
  close(): Promise<void>;
}

export async function openStore(connection: EventConnection, signal: AbortSignal): Promise<StagingStore> {
  const [assignments, initiations, servers, removals, ways] = await Promise.all([
    StateBucket.open(connection, { name: 'LMS_ASSIGNMENTS', codec: jsonState(ASSIGNMENT, SCHEMA_VERSION) }, signal),
    StateBucket.open(connection, { name: 'LMS_INITIATIONS', codec: jsonState(INITIATION, SCHEMA_VERSION) }, signal),
    StateBucket.open(
      connection,
      { name: 'LMS_STAGING_SERVERS', codec: jsonState(SERVER_ADDRESS, SCHEMA_VERSION) },
      signal,
    ),
    StateBucket.open(connection, { name: 'LMS_STAGING_REMOVALS', codec: jsonState(REMOVAL, SCHEMA_VERSION) }, signal),
    StateBucket.open(
      connection,
      { name: 'LMS_BLOCK_STREAM_WAYS', codec: jsonState(STORED_WAYS, SCHEMA_VERSION) },
      signal,
    ),
  ]);
  const buckets = [assignments, initiations, servers, removals, ways];
  return {
    assignments,
    initiations,
    servers,
    removals,
    ways,
    health: () => combineHealth(buckets.map((bucket) => bucket.health())),
    close: async () => {
      await Promise.all(buckets.map((bucket) => bucket.close()));
    },
  };
}
