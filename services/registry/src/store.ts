/** The registry's state: which buckets there are, and under which keys things lie in them. */
import { StateBucket, jsonState, messageState, type EventConnection } from '@lms/events';
import { Machine, Operation, Point } from '@lms/proto';
import { combineHealth, type Health } from '@lms/service';
import { StoredName } from './machine-name.ts';
import { StoredRemoval } from './removed-machines.ts';
import { STORED_SETTINGS, type StoredSettings } from './settings/stored-settings.ts';
import { StoredReplicationServer } from './stored-replication-server.ts';
import { StoredToken } from './token-rules.ts';

/** The version of what is stored; see `migrate` of libs/events for how another one is read. */
const SCHEMA_VERSION = 1;

export interface RegistryStore {
  /** By machine id. Without the fields that follow from others (`agentConnected`, `lifecycleState`, `lastPoint`, `revision`). */
  readonly machines: StateBucket<Machine>;
  /** By name, in base64url: holds the machine that has the name, so that two never share one. */
  readonly names: StateBucket<StoredName>;
  /** By token id. */
  readonly tokens: StateBucket<StoredToken>;
  /** By name. */
  readonly replicationServers: StateBucket<StoredReplicationServer>;
  /** By `<machine id>.<sequence, 16 digits>`. */
  readonly points: StateBucket<Point>;
  /** By operation id. */
  readonly operations: StateBucket<Operation>;
  /** By machine id: the deny-list. */
  readonly removed: StateBucket<StoredRemoval>;
  /** Under one key: the installation's. */
  readonly settings: StateBucket<StoredSettings>;
  health(): Health;
  close(): Promise<void>;
}

export async function openStore(connection: EventConnection, signal: AbortSignal): Promise<RegistryStore> {
  const [machines, names, tokens, replicationServers, points, operations, removed, settings] = await Promise.all([
    StateBucket.open(connection, { name: 'LMS_MACHINES', codec: messageState(Machine, SCHEMA_VERSION) }, signal),
    StateBucket.open(connection, { name: 'LMS_MACHINE_NAMES', codec: jsonState(StoredName, SCHEMA_VERSION) }, signal),
    StateBucket.open(connection, { name: 'LMS_TOKENS', codec: jsonState(StoredToken, SCHEMA_VERSION) }, signal),
    StateBucket.open(
      connection,
      { name: 'LMS_REPLICATION_SERVERS', codec: jsonState(StoredReplicationServer, SCHEMA_VERSION) },
      signal,
    ),
    StateBucket.open(connection, { name: 'LMS_POINTS', codec: messageState(Point, SCHEMA_VERSION) }, signal),
    StateBucket.open(connection, { name: 'LMS_OPERATIONS', codec: messageState(Operation, SCHEMA_VERSION) }, signal),
    StateBucket.open(
      connection,
      { name: 'LMS_REMOVED_MACHINES', codec: jsonState(StoredRemoval, SCHEMA_VERSION) },
      signal,
    ),
    StateBucket.open(connection, { name: 'LMS_SETTINGS', codec: STORED_SETTINGS }, signal),
  ]);
  const buckets = [machines, names, tokens, replicationServers, points, operations, removed, settings];
  return {
    machines,
    names,
    tokens,
    replicationServers,
    points,
    operations,
    removed,
    settings,
    health: () => combineHealth(buckets.map((bucket) => bucket.health())),
    close: async () => {
      await Promise.all(buckets.map((bucket) => bucket.close()));
    },
  };
}
