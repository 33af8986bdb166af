// Agents that wait for commands, each over a connection of its own, written by hand: thousands of real clients would cost
// this process more than they cost the gateway.

import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import type { Gateway } from './manager-area.ts';

const CONNECTING_AT_ONCE = 32;

export interface Waiting {
  readonly path: string;
  readonly authorization: string;
}

export class LongPolls {
  readonly #gateway: Gateway;
  readonly #sockets: TLSSocket[] = [];
  #answers = 0;
  #problem: string | null = null;

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
  }

  get count(): number {
    return this.#sockets.length;
  }

  /** Answers that came, of all of them. */
  get answers(): number {
    return this.#answers;
  }

  /** The first answer that was none of those that are expected. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Each asks, and asks again when it was answered. */
  async open(count: number, waitingOf: (index: number) => Promise<Waiting>): Promise<void> {
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < count) await this.#open(await waitingOf(next++));
    };
    await Promise.all(Array.from({ length: CONNECTING_AT_ONCE }, worker));
  }

  close(): void {
    for (const socket of this.#sockets.splice(0)) socket.destroy();
  }

  async #open({ path, authorization }: Waiting): Promise<void> {
    const { host, port, caPem } = this.#gateway;
    const socket = connect({ host, port, ca: caPem });
    const ask = (): boolean =>
      socket.write(`GET ${path} HTTP/1.1\r\nhost: ${host}:${port}\r\nauthorization: ${authorization}\r\n\r\n`);
    await once(socket, 'secureConnect');
    this.#sockets.push(socket);
    socket.on('error', (error) => (this.#problem ??= error.message));
    socket.on('data', (data: Buffer) => {
      if (data.subarray(0, 7).toString() !== 'HTTP/1.') return;
      const status = data.subarray(9, 12).toString();
      if (status !== '200') this.#problem ??= data.toString().slice(0, 500);
      this.#answers += 1;
      ask();
    });
    ask();
  }
}
