// What lies between a client and a manager on a bad day: TCP that is cut after any number of bytes, or as slow as wanted.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { waitFor } from './condition.ts';

const POLL_MILLISECONDS = 2;

export interface Mood {
  /** Bytes towards the client after which a connection is cut; asked at each connection. Default: none. */
  readonly cutAfterBytes?: () => number;
  /** Towards the client, on each connection. Default: as fast as it goes. */
  readonly bytesPerSecond?: number;
}

export class UnreliableProxy implements AsyncDisposable {
  mood: Mood = {};
  connections = 0;
  cuts = 0;
  /** Towards clients. */
  forwardedBytes = 0;
  readonly #server: Server;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #sockets = new Set<Socket>();

  private constructor(target: URL) {
    this.#target = { host: target.hostname, port: Number(target.port) };
    this.#server = createServer((client) => void this.#serve(client));
  }

  static async start(targetUrl: string): Promise<UnreliableProxy> {
    const proxy = new UnreliableProxy(new URL(targetUrl));
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(client: Socket): Promise<void> {
    this.connections += 1;
    const upstream = connect(this.#target);
    const end = (): void => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      this.#sockets.add(socket);
      socket.on('error', end);
      socket.on('close', () => this.#sockets.delete(socket));
    }
    client.on('close', end);
    client.pipe(upstream);
    try {
      await this.#forward(upstream, client);
    } catch {
      // Either end went away, which is what it is here for.
    }
    end();
  }

  async #forward(upstream: Socket, client: Socket): Promise<void> {
    let dueMilliseconds = 0;
    let left = this.mood.cutAfterBytes?.() ?? Infinity;
    for await (const data of upstream) {
      const piece = (data as Buffer).subarray(0, Math.min(left, (data as Buffer).length));
      left -= piece.length;
      this.forwardedBytes += piece.length;
      if (!client.write(piece)) await once(client, 'drain');
      if (left === 0) {
        this.cuts += 1;
        return;
      }
      const { bytesPerSecond } = this.mood;
      if (bytesPerSecond === undefined) continue;
      dueMilliseconds = Math.max(dueMilliseconds, performance.now()) + (piece.length / bytesPerSecond) * 1_000;
      const due = dueMilliseconds;
      // A mood that changed ends the wait as well.
      const isDue = (): boolean => performance.now() >= due || this.mood.bytesPerSecond !== bytesPerSecond;
      await waitFor('its turn', isDue, { pollMilliseconds: POLL_MILLISECONDS });
    }
  }
}
