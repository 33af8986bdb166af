/** What is said over 443: schemas that both ends validate with, and clients for agents, replication servers and operators. */
export * from './schemas/index.ts';
export { AgentApi, enrolAgent, type CallerOptions } from './client/agent-api.ts';
export { ApiClient, managerOrigin, type ApiClientOptions, type Authorization } from './client/api-client.ts';
export {
  EXPORT_OPERATION_HEADER,
  EXPORT_SHA256_HEADER,
  type DiskImage,
  type DiskImageIdentity,
  type DiskImagePlace,
} from './client/disk-image.ts';
export { OperatorApi, type OperatorOptions } from './client/operator-api.ts';
export { EXPORT_SIZE_HEADER, ReplicationServerApi, enrolReplicationServer } from './client/replication-server-api.ts';
export { createDispatcher, fetchManagerCa } from './client/trust.ts';
