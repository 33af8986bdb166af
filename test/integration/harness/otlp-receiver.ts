/** Receives OTLP over HTTP in its JSON form, as a collector would, and keeps the spans. */
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { ReceivedSpans, type ReceivedSpan } from '../../harness/received-spans.ts';

export class OtlpReceiver implements AsyncDisposable {
  /** Paths that were posted to, each as often as it was. */
  readonly posts: string[] = [];
  readonly #received = new ReceivedSpans();
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      void text(request).then((body) => {
        this.posts.push(request.url ?? '');
        if (request.url === '/v1/traces') this.#received.take(body);
        response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
      });
    });
  }

  static async start(): Promise<OtlpReceiver> {
    const receiver = new OtlpReceiver();
    receiver.#server.listen(0, '127.0.0.1');
    await once(receiver.#server, 'listening');
    return receiver;
  }

  /** For the processes whose spans are to come here. */
  get environment(): Readonly<Record<string, string>> {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the receiver does not listen');
    return {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${address.port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_BSP_SCHEDULE_DELAY: '50',
    };
  }

  get spans(): readonly ReceivedSpan[] {
    return this.#received.all;
  }

  trace(traceId: string): readonly ReceivedSpan[] {
    return this.#received.trace(traceId);
  }

  orphans(traceId: string): readonly ReceivedSpan[] {
    return this.#received.orphans(traceId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await Promise.resolve();
  }
}
