/**
 * A port for whoever only asks "are you well?", such as a kubelet: gRPC without TLS, since it has no certificate of ours,
 * and so with grpc.health.v1 and nothing else.
 *
 * `liveness` is served as long as this process answers at all, also while its service waits for others at its start: to
 * be restarted would not bring those back. `readiness` is the service's own word. The empty name means readiness.
 * Nobody listens unless `LMS_HEALTH_LISTEN` is set.
 */
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { readConfiguration, type Environment, type Health, type Service } from '@lms/service';
import { z } from 'zod';
import { bindServer, LISTEN_ADDRESS } from './listen.ts';

/** A status is pushed; this is how old it can be. */
const UPDATE_MILLISECONDS = 500;
/** A question and its answer are some bytes. */
const MESSAGE_BYTES_MAX = 4_096;

const CONFIGURATION = z.object({ LMS_HEALTH_LISTEN: LISTEN_ADDRESS.optional() });

export interface HealthPortOptions<Served extends Service> {
  /** Whether it should be sent work. Default: its `health`. */
  readonly readiness?: (service: Served) => Health;
  readonly environment?: Environment;
}

/** The same service, with the port beside it: open before its start begins, closed after its stop has ended. */
export function withHealthPort<Served extends Service>(
  service: Served,
  options: HealthPortOptions<Served> = {},
): Service {
  const { LMS_HEALTH_LISTEN: listen } = readConfiguration(CONFIGURATION, options.environment);
  if (listen === undefined) return service;
  const readiness = options.readiness ?? ((served: Served) => served.health());
  const port = new HealthPort(service.name, listen, () => readiness(service));
  return {
    name: service.name,
    health: () => service.health(),
    async start(signal) {
      await port.start();
      await service.start(signal);
      port.serve();
    },
    async stop() {
      port.drain();
      await service.stop();
      port.close();
    },
  };
}

class HealthPort {
  readonly #component: string;
  readonly #listen: string;
  readonly #readiness: () => Health;
  readonly #server = new Server({ 'grpc.max_receive_message_length': MESSAGE_BYTES_MAX });
  readonly #status = new HealthImplementation({ '': 'NOT_SERVING', readiness: 'NOT_SERVING', liveness: 'SERVING' });
  #timer: NodeJS.Timeout | null = null;

  constructor(component: string, listen: string, readiness: () => Health) {
    this.#component = component;
    this.#listen = listen;
    this.#readiness = readiness;
    this.#status.addToServer(this.#server);
  }

  async start(): Promise<void> {
    await bindServer(this.#server, this.#component, this.#listen, ServerCredentials.createInsecure());
  }

  serve(): void {
    this.#timer = setInterval(() => this.#update(), UPDATE_MILLISECONDS);
    this.#update();
  }

  /** Whoever asks from now on sends no more work. */
  drain(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#setReadiness(false);
  }

  /** A kubelet keeps its connection open; waiting for it to end would take as long as it likes. */
  close(): void {
    this.#server.forceShutdown();
  }

  #update(): void {
    this.#setReadiness(this.#readiness().healthy);
  }

  #setReadiness(ready: boolean): void {
    for (const name of ['', 'readiness']) this.#status.setStatus(name, ready ? 'SERVING' : 'NOT_SERVING');
  }
}
