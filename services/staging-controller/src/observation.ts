/** What the initiation steps are derived from: facts that somebody has seen, each with where it came from. */
import type { ErrorCode } from '@lms/errors';

/** The replication server that a machine is assigned to, as its driver and the manager see it. */
export interface ServerObservation {
  /** Why there is no folder or volume for staging disks; null when there is. */
  readonly stagingError: string | null;
  /** What was there is gone, with the replica in it. */
  readonly stagingLost: boolean;
  /** Null: this place has none. */
  readonly networkPolicy: { readonly created: boolean; readonly error: string | null } | null;
  /** From the driver: a process or pod. */
  readonly running: boolean;
  readonly startedAt: Date | null;
  /** Why it ended last time, until it has run well. */
  readonly failure: { readonly code: ErrorCode; readonly message: string } | null;
  readonly attempt: number;
  readonly nextAttemptAt: Date | null;
  /** It has called the manager with its credential since it was started. */
  readonly authenticated: boolean;
  /** It has said, since it was started, that it listens. */
  readonly ready: boolean;
}

export interface MachineObservation {
  /** Whether this place has network policies at all: a host has none. */
  readonly hasNetworkPolicies: boolean;
  readonly assigned: boolean;
  readonly server: ServerObservation | null;
  /** The replication server has the machine in its list. */
  readonly assignmentTaken: boolean;
  /** The machine's agent has been told where its replication server is. */
  readonly agentKnowsServer: boolean;
  /** What the replication server reported about the machine; null: nothing yet. */
  readonly report: {
    readonly stagingDisks: boolean;
    readonly connected: boolean;
    readonly dataTransfer: boolean;
    /** Why it takes no data; null when it does. */
    readonly stalled: string | null;
  } | null;
  /** What the agent says keeps it from replicating; null: nothing, or it has not reported lately. */
  readonly agentTrouble: string | null;
}
