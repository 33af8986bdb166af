/** `GET /v1/network`: where everybody in this installation is reached, and what that takes of firewalls. */
import { ADDRESS_KINDS, DRIVERS, PARTIES, PROTOCOLS, PROVIDERS, ROUTES } from '@lms/network';
import { z } from 'zod';
import { MachineId } from './values.ts';

const Port = z.int().min(1).max(65_535);

export const NetworkAddress = z.object({ kind: z.enum(ADDRESS_KINDS), host: z.string().min(1), port: Port });
export type NetworkAddress = z.infer<typeof NetworkAddress>;

export const NetworkPort = z.object({
  client: z.enum(PARTIES),
  direction: z.enum(['egress', 'ingress']),
  protocols: z.array(z.enum(PROTOCOLS)),
  /** Empty: decided by what `portIsOf` names, which the manager does not know. */
  ports: z.array(Port),
  portIsOf: z.string(),
  peer: z.enum(PARTIES),
  /** Egress: where to. Empty: not known to the manager. */
  addresses: z.array(z.string()),
  traffic: z.enum(['data', 'management', 'names']),
  routes: z.array(z.enum(ROUTES)),
  networks: z.array(z.enum(ADDRESS_KINDS)),
  what: z.array(z.string()),
  neededBy: z.array(z.enum(DRIVERS)),
});

export const CloudAddress = z.object({
  provider: z.enum(PROVIDERS),
  host: z.string(),
  port: Port,
  from: z.enum(PARTIES),
  purpose: z.string(),
  /** By the driver of this installation. */
  needed: z.boolean(),
  neededWhen: z.string().nullable(),
  because: z.string(),
  source: z.string(),
});

export const NetworkAnswer = z.object({
  driver: z.enum(DRIVERS),
  managerUrl: z.string(),
  /** The same: manager and console share one address. */
  consoleUrl: z.string(),
  /** Of 1500, for every machine that is not among `machines`. Empty: each has its own, or there is none yet. */
  blockStream: z.array(NetworkAddress),
  machines: z.array(z.object({ id: MachineId, blockStream: z.array(NetworkAddress) })),
  /** How replication servers reach the manager; null: directly. */
  stagingProxyUrl: z.string().nullable(),
  ports: z.array(NetworkPort),
  clouds: z.array(CloudAddress),
});
export type NetworkAnswer = z.infer<typeof NetworkAnswer>;
