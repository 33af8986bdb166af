/** Which other gateways of this manager there are now: the addresses behind a name, and a client for each. */
import { lookup } from 'node:dns/promises';
import { GatewayService } from '@lms/proto';
import { createRpcClient, type RpcClient, type TlsMaterial } from '@lms/rpc';
import { formatHostPort, parseListenAddress } from '../listen-address.ts';

/** A name with more is not one of ours. */
const MAXIMUM_PEERS = 64;

export type PeerClient = RpcClient<typeof GatewayService>;

export class PeerDirectory {
  readonly #names: readonly string[];
  readonly #tls: TlsMaterial;
  readonly #clients = new Map<string, PeerClient>();

  /** `names`: HOST:PORT each; a host may have any number of addresses. */
  constructor(names: readonly string[], tls: TlsMaterial) {
    this.#names = names;
    this.#tls = tls;
  }

  /** By their address, this gateway itself among them. A name that is not known now adds nobody. */
  async find(): Promise<ReadonlyMap<string, PeerClient>> {
    const addresses = (await Promise.all(this.#names.map(addressesOf))).flat().slice(0, MAXIMUM_PEERS);
    for (const [address, client] of this.#clients) {
      if (addresses.includes(address)) continue;
      this.#clients.delete(address);
      client.close();
    }
    for (const address of addresses) {
      if (this.#clients.has(address)) continue;
      this.#clients.set(address, createRpcClient(GatewayService, { address, component: 'gateway', tls: this.#tls }));
    }
    return new Map(this.#clients);
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }
}

async function addressesOf(name: string): Promise<readonly string[]> {
  const { host, port } = parseListenAddress(name);
  try {
    return (await lookup(host, { all: true })).map(({ address }) => formatHostPort(address, port));
  } catch {
    return [];
  }
}
