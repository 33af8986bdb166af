import type { Logger } from '@lms/telemetry';
import type { PackageStore } from '../agent-packages/package-store.ts';
import type { AccessTokenKey } from '../access/access-token.ts';
import type { ExportExchange } from '../export/export-exchange.ts';
import type { ServiceClients } from '../manager-services.ts';

/** What routes are made of. */
export interface RouteContext {
  readonly clients: ServiceClients;
  readonly trust: Trust;
  /** What others are told: https://… */
  readonly managerUrl: () => string;
  readonly exchange: ExportExchange;
  /** The agent, for machines that have none yet. */
  readonly packages: PackageStore;
  readonly logger: Logger;
  /** Aborted when the gateway stops: whatever waits ends. */
  readonly stopping: AbortSignal;
}

export interface Trust extends AccessTokenKey {
  readonly caPem: string;
  readonly caSha256: string;
}
