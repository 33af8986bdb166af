/** Two ends of a connection in memory: frames arrive in order, and stay until somebody asks for them. */
import { LmsError } from '@lms/errors';
import type { Frame, FrameConnection } from '@lms/block-stream';

class MemoryEnd implements FrameConnection {
  readonly #arrived: (Frame | null)[] = [];
  #waiting: PromiseWithResolvers<Frame | null> | null = null;
  #closed = false;
  peer: MemoryEnd | null = null;

  deliver(frame: Frame | null): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting === null) this.#arrived.push(frame);
    else waiting.resolve(frame);
  }

  async send(frame: Frame): Promise<void> {
    await Promise.resolve();
    if (this.#closed) throw new LmsError('CANCELLED', 'closed');
    this.peer?.deliver(structuredClone(frame));
  }

  receive(): Promise<Frame | null> {
    const frame = this.#arrived.shift();
    if (frame !== undefined) return Promise.resolve(frame);
    if (this.#closed) return Promise.reject(new LmsError('CANCELLED', 'closed'));
    this.#waiting = Promise.withResolvers();
    return this.#waiting.promise;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#waiting?.reject(new LmsError('CANCELLED', 'closed'));
    this.#waiting = null;
    this.peer?.deliver(null);
  }
}

export function createMemoryConnection(): { readonly agent: FrameConnection; readonly server: FrameConnection } {
  const agent = new MemoryEnd();
  const server = new MemoryEnd();
  agent.peer = server;
  server.peer = agent;
  return { agent, server };
}
