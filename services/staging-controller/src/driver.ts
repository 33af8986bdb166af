/** Where replication servers run: on this host, later in Kubernetes. Drivers do what the plan says and tell what they see. */
import type { ComponentReport } from '@lms/proto';
import type { ServerObservation } from './observation.ts';

export type DriverServer = Omit<ServerObservation, 'authenticated' | 'ready'>;

export interface StagingDriver {
  readonly hasNetworkPolicies: boolean;
  /** What agents connect to; null: what the replication server itself reports. */
  readonly advertisedHost: string | null;
  /** Idempotent: from now on it is kept running. */
  runServer(name: string): void;
  readonly running: ReadonlySet<string>;
  /** Null: it is none of this driver's. */
  observe(name: string): DriverServer | null;
  /** Rows of `lms status`; `ready`: whether it has said lately that it listens. */
  reports(ready: (name: string) => boolean): readonly ComponentReport[];
  /** Called after each change of what `observe` says. */
  onChange(listener: () => void): void;
  stop(): Promise<void>;
}
