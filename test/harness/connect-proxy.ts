// A small HTTP proxy (CONNECT) that does what a test wants of it, in this process: what squid and tinyproxy cannot be made to do.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { TLSSocket, createSecureContext } from 'node:tls';

export interface ConnectProxyMood {
  /** Asked with what stands in `Proxy-Authorization`; the answer to CONNECT as it is sent, or null: the way is opened. */
  readonly answer?: (authorization: string | null) => string | null;
  /** Answers TLS itself with this certificate and asks the other end anew: a proxy that inspects. */
  readonly resigns?: { readonly key: string; readonly cert: string };
  /** Where every way leads, whatever was asked for. */
  readonly leadsTo?: { readonly host: string; readonly port: number };
}

export class ConnectProxy implements AsyncDisposable {
  mood: ConnectProxyMood = {};
  /** What CONNECT asked for, in order. */
  readonly asked: string[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #port = 0;

  private constructor() {
    this.#server = createServer((client) => void this.#serve(client));
  }

  static async start(mood: ConnectProxyMood = {}): Promise<ConnectProxy> {
    const proxy = new ConnectProxy();
    proxy.mood = mood;
    await proxy.resume();
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get openConnections(): number {
    return this.#sockets.size;
  }

  /** On the port of before. */
  async resume(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Gone, with everything that went through it. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #serve(client: Socket): Promise<void> {
    this.#keep(client);
    const request = await readHead(client);
    const target = /^CONNECT (\S+) HTTP\/1\.1\r\n/.exec(request)?.[1];
    if (target === undefined) {
      client.end('HTTP/1.1 405 Method Not Allowed\r\n\r\n');
      return;
    }
    this.asked.push(target);
    const answer = this.mood.answer?.(/^proxy-authorization: (.*)\r$/im.exec(request)?.[1] ?? null) ?? null;
    if (answer !== null) {
      client.end(answer);
      return;
    }
    const { hostname, port } = new URL(`http://${target}`);
    const to = this.mood.leadsTo ?? { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port || 80) };
    const upstream = this.#keep(connect(to));
    upstream.once('connect', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      const inner = this.#inspected(client, upstream);
      inner.client.pipe(inner.upstream).pipe(inner.client);
    });
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
  }

  #inspected(client: Socket, upstream: Socket): { readonly client: Socket; readonly upstream: Socket } {
    const { resigns } = this.mood;
    if (resigns === undefined) return { client, upstream };
    const toClient = new TLSSocket(client, { isServer: true, secureContext: createSecureContext(resigns) });
    const toServer = new TLSSocket(upstream, { rejectUnauthorized: false });
    return { client: this.#keep(toClient), upstream: this.#keep(toServer) };
  }

  #keep<Kept extends Socket>(socket: Kept): Kept {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
    return socket;
  }
}

async function readHead(socket: Socket): Promise<string> {
  let text = '';
  while (!text.includes('\r\n\r\n')) {
    const [data] = (await once(socket, 'data')) as [Buffer];
    text += data.toString('latin1');
  }
  return text;
}
