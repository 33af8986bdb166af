/**
 * Where replication servers run: on this host, or in Kubernetes. Drivers do what is wanted and tell what they see; which
 * machine is served by whom, and what follows from what is seen, is decided in front of them.
 */
import type { ComponentReport, Route, StagingObject } from '@lms/proto';
import type { FoundWays } from './block-stream-ways.ts';
import type { ServerObservation } from './observation.ts';
import type { ServerAddress } from './store.ts';

export type DriverServer = Omit<ServerObservation, 'authenticated' | 'ready'>;

export interface WantedMachine {
  readonly machineId: string;
  /** Of each source disk; null: nobody has told yet. */
  readonly diskBytes: readonly number[] | null;
  /** When its replication server last called with a certificate of the manager; null: not since we look. */
  readonly calledAt: Date | null;
}

export interface WantedStaging {
  /** By machine id. */
  readonly machines: ReadonlyMap<string, WantedMachine>;
  /** Machines of which nothing is to be left. */
  readonly removed: ReadonlySet<string>;
}

export interface StagingDriver {
  readonly place: 'host' | 'kubernetes';
  /** Whether this replica is the one that acts. The others know the same, and answer questions. */
  readonly leads: boolean;
  readonly hasNetworkPolicies: boolean;
  /** Whether `objects` shows all that there is: before that, what it does not show is not known to be gone. */
  readonly sees: boolean;
  /** Whether a replication server itself deletes what it has of a removed machine; else the driver does, with the server. */
  readonly removesThroughServer: boolean;
  start(): Promise<void>;
  /** Name of the replication server that a machine gets. */
  serverOf(machineId: string): string;
  /** The other way round; null: it serves more than one. */
  machineOf(server: string): string | null;
  /** Machine id → replication server: what exists here, whatever state says. */
  found(): ReadonlyMap<string, string>;
  /** Idempotent, and returns at once: from now on this is brought about. Only while it leads. */
  run(wanted: WantedStaging): void;
  /** Null: it is none of this driver's. */
  observe(name: string): DriverServer | null;
  /** What agents can connect to; nothing: there is no address yet. `reported`: what the replication server itself says. */
  waysOf(name: string, reported: ServerAddress): FoundWays;
  /**
   * The same of a machine that has no replication server yet: nothing where each gets addresses of its own. `reported`: what some
   * replication server says of itself.
   */
  usualWays(reported: ServerAddress | null): FoundWays;
  /** For a router of the block stream. */
  routes(): readonly Route[];
  /** What there is of the machine, or of all. */
  objects(machineId?: string): readonly Omit<StagingObject, 'removing'>[];
  /** Rows of `lms status`; `ready`: whether it has said lately that it listens. */
  reports(ready: (name: string) => boolean): readonly ComponentReport[];
  /** Called after each change of what `observe`, `found`, `routes` or `leads` say; null: of more than one machine. */
  onChange(listener: (machineId: string | null) => void): void;
  stop(): Promise<void>;
}
