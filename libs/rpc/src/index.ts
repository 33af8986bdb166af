/** gRPC between the manager's services: mutual TLS, deadlines, health, one error model, one trace. */
export { createRpcClient, type CallSettings, type RpcClient, type RpcClientOptions } from './client.ts';
export { type CallContext, type Handlers } from './handler.ts';
export { withHealthPort, type HealthPortOptions } from './health-port.ts';
export { DEFAULT_DEADLINE_MILLISECONDS, MESSAGE_BYTES_MAX } from './limits.ts';
export { LISTEN_ADDRESS } from './listen.ts';
export { PRODUCT_VERSION, RpcServer, type RpcServerOptions } from './server.ts';
export { fromStatus, toStatus } from './status.ts';
export {
  componentServerName,
  readTlsMaterial,
  RPC_CONFIGURATION,
  type TlsFiles,
  type TlsMaterial,
} from './tls-material.ts';
