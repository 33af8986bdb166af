/** HTTP requests, one after the other, over a connection that was looked at before: bounded in time and in size. */
import type { TLSSocket } from 'node:tls';
import { Client } from 'undici';
import type { CheckLimits } from '../limits.ts';
import { within } from '../limits.ts';
import { StepFailure } from '../report/step-failure.ts';

/** The description of the interface is the longest that is asked for. */
const MAXIMUM_ANSWER_BYTES = 8 * 1024 * 1024;

export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
  readonly bytes: number;
  /** By the other end's clock, epoch milliseconds; null: it did not say. */
  readonly date: number | null;
  readonly askedAt: number;
  readonly answeredAt: number;
}

export interface HttpQuestion {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export class HttpExchange {
  readonly #client: Client;
  readonly #origin: string;
  readonly #limits: CheckLimits;

  constructor(origin: string, socket: TLSSocket, limits: CheckLimits) {
    let used = false;
    this.#origin = origin;
    this.#limits = limits;
    this.#client = new Client(origin, {
      allowH2: false,
      connect: (_options, callback) => {
        const error = used ? new Error('the connection was closed') : null;
        used = true;
        // The client is not ready for an answer within its own call.
        setImmediate(() => {
          // A second connection would not have been looked at.
          if (error === null) callback(null, socket);
          else callback(error, null);
        });
      },
    });
  }

  async ask({ method, path, headers = {}, body }: HttpQuestion, signal: AbortSignal): Promise<HttpAnswer> {
    const { answerMilliseconds } = this.#limits;
    const late = (): Error =>
      new StepFailure('HTTP_NO_ANSWER', `${this.#origin}${path} was not answered within ${answerMilliseconds} ms`);
    const askedAt = Date.now();
    try {
      return await within(answerMilliseconds, signal, late, async (either) => {
        const answer = await this.#client.request({
          method,
          path,
          headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
          body: body === undefined ? null : JSON.stringify(body),
          signal: either,
        });
        const answeredAt = Date.now();
        const { text, bytes } = await readBounded(answer.body);
        const date = Date.parse(String(answer.headers['date'] ?? ''));
        return {
          status: answer.statusCode,
          text,
          bytes,
          date: Number.isNaN(date) ? null : date,
          askedAt,
          answeredAt,
        };
      });
    } catch (thrown) {
      signal.throwIfAborted();
      if (thrown instanceof StepFailure) throw thrown;
      const { message } = thrown as Error;
      throw new StepFailure('HTTP_NO_ANSWER', `${this.#origin}${path} was not answered: ${message}`, thrown);
    }
  }

  async close(): Promise<void> {
    await this.#client.destroy();
  }
}

async function readBounded(body: AsyncIterable<Uint8Array>): Promise<{ text: string; bytes: number }> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of body) {
    bytes += part.length;
    if (bytes > MAXIMUM_ANSWER_BYTES) break;
    parts.push(part);
  }
  return { text: Buffer.concat(parts).toString('utf8'), bytes };
}
