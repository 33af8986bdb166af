/** The other gateways of this manager, where there are any. */
import { GatewayService } from '@lms/proto';
import { RpcServer } from '@lms/rpc';
import type { Health } from '@lms/service';
import type { Logger } from '@lms/telemetry';
import type { GatewayConfiguration } from '../config.ts';
import type { ExportExchange } from '../export/export-exchange.ts';
import { PeerDirectory } from './peer-directory.ts';
import { SharedExchange } from './shared-exchange.ts';

export interface Peers {
  /** HOST:PORT of gRPC. */
  readonly address: string;
  readonly exchange: ExportExchange;
  stop(): Promise<void>;
}

/** Null: this gateway is alone. */
export async function startPeers(
  { peers, tls }: Pick<GatewayConfiguration, 'peers' | 'tls'>,
  health: () => Health,
  logger: Logger,
): Promise<Peers | null> {
  if (peers === undefined) return null;
  const directory = new PeerDirectory(peers.names, tls);
  const exchange = new SharedExchange(directory, logger);
  const server = new RpcServer({ component: 'gateway', listen: peers.listen, tls, health, logger });
  await server.serve(GatewayService, exchange.handlers).start();
  return {
    address: server.address,
    exchange,
    stop: async () => {
      await server.stop();
      directory.close();
    },
  };
}
