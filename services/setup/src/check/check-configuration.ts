/** What `helm test` looks at; each part only where its variables are set. */
import { EVENTS_CONFIGURATION, readEventsOptions, type EventsOptions } from '@lms/events';
import { readConfiguration, readConfiguredFile, type Environment } from '@lms/service';
import { z } from 'zod';

const CONFIGURATION = z.object({
  ...EVENTS_CONFIGURATION,
  LMS_NATS_URL: EVENTS_CONFIGURATION.LMS_NATS_URL.optional(),
  /** Of the gateway, as replication servers reach it. */
  LMS_MANAGER_URL: z.url({ protocol: /^https$/ }),
  /** operator.json: the CA and the token are taken from it. */
  LMS_CONTEXT: z.string(),
  /** HOST:PORT of the address that all machines share; empty where each has its own. */
  LMS_BLOCK_STREAM_ADDRESS: z
    .string()
    .regex(/^.+:\d{1,5}$/, 'must be HOST:PORT')
    .optional(),
  /** A folder on a volume of the class that staging disks get. */
  LMS_STORAGE_DIRECTORY: z.string().optional(),
});

const CONTEXT = z.object({ caPem: z.string(), apiToken: z.string() });

export interface CheckConfiguration {
  readonly managerUrl: string;
  readonly caPem: string;
  readonly apiToken: string;
  readonly blockStreamAddress: string | null;
  readonly events: EventsOptions | null;
  readonly storageDirectory: string | null;
}

export function readCheckConfiguration(environment: Environment = process.env): CheckConfiguration {
  const configured = readConfiguration(CONFIGURATION, environment);
  const { LMS_NATS_URL: natsUrl } = configured;
  const context = CONTEXT.parse(JSON.parse(readConfiguredFile('LMS_CONTEXT', configured.LMS_CONTEXT)));
  return {
    managerUrl: configured.LMS_MANAGER_URL,
    ...context,
    blockStreamAddress: configured.LMS_BLOCK_STREAM_ADDRESS ?? null,
    events: natsUrl === undefined ? null : readEventsOptions({ ...configured, LMS_NATS_URL: natsUrl }),
    storageDirectory: configured.LMS_STORAGE_DIRECTORY ?? null,
  };
}
