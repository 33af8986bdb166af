/**
 * A gRPC server of one component: mutual TLS with the internal CA, grpc.health.v1 and lms.v1.Component beside its own
 * services.
 */
import {
  logVerbosity,
  Server,
  setLogVerbosity,
  type ServiceDefinition as GrpcDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { ComponentService, type ComponentReport } from '@lms/proto';
import { LmsError } from '@lms/errors';
import type { Health } from '@lms/service';
import { createLogger, type Logger } from '@lms/telemetry';
import { serverCredentials } from './credentials.ts';
import type { ServiceDefinition } from './definition.ts';
import { streamingHandler, unaryHandler, type AnyHandler, type Handlers } from './handler.ts';
import { CHANNEL_OPTIONS } from './limits.ts';
import { bindServer } from './listen.ts';
import type { TlsMaterial } from './tls-material.ts';

/** How long calls that are under way may take to end at a stop. */
const STOP_TIMEOUT_MILLISECONDS = 5_000;
/** grpc.health.v1 has a pushed status; this is how old it can be. */
const HEALTH_INTERVAL_MILLISECONDS = 500;

/** What `lms status` shows; the release's version. */
export const PRODUCT_VERSION = '0.1.0';

// It writes plain lines to stderr, where ours are JSON; every error of a call or of listening reaches us anyway.
setLogVerbosity(logVerbosity.NONE);

export interface RpcServerOptions {
  readonly component: string;
  /** HOST:PORT; port 0: any free one. */
  readonly listen: string;
  readonly tls: TlsMaterial;
  readonly health: () => Health;
  /** What this component watches for the others, as rows of `lms status`. */
  readonly dependencies?: () => readonly ComponentReport[];
  readonly logger?: Logger;
}

export class RpcServer {
  readonly #options: RpcServerOptions;
  readonly #server = new Server(CHANNEL_OPTIONS);
  readonly #healthService = new HealthImplementation({ '': 'NOT_SERVING' });
  readonly #stopping = new AbortController();
  readonly #logger: Logger;
  readonly #startedAt = new Date();
  #healthTimer: NodeJS.Timeout | null = null;
  #address: string | null = null;

  constructor(options: RpcServerOptions) {
    this.#options = options;
    this.#logger = options.logger ?? createLogger(options.component);
    this.#healthService.addToServer(this.#server);
    this.serve(ComponentService, { describeComponent: () => Promise.resolve(this.#describe()) });
  }

  /** HOST:PORT that it listens on, once started. */
  get address(): string {
    if (this.#address === null) throw new Error(`the gRPC server of ${this.#options.component} is not started`);
    return this.#address;
  }

  /** Before `start`. */
  serve<Definition extends ServiceDefinition>(definition: Definition, handlers: Handlers<Definition>): this {
    const implementation: UntypedServiceImplementation = {};
    for (const [name, method] of Object.entries(definition)) {
      const settings = { name: method.path.slice(1), logger: this.#logger, stopping: this.#stopping.signal };
      const handler = handlers[name] as AnyHandler;
      implementation[name] = method.responseStream
        ? streamingHandler(handler, settings)
        : unaryHandler(handler, settings);
    }
    // The same object: ours says what the handlers are, grpc-js's takes any.
    this.#server.addService(definition as unknown as GrpcDefinition, implementation);
    return this;
  }

  async start(): Promise<void> {
    const { component, listen, tls } = this.#options;
    this.#address = await bindServer(this.#server, component, listen, serverCredentials(tls));
    this.#healthTimer = setInterval(() => this.#updateHealth(), HEALTH_INTERVAL_MILLISECONDS);
    this.#updateHealth();
  }

  /** Calls that wait for something are ended at once, others may finish for 5 s. */
  async stop(): Promise<void> {
    if (this.#healthTimer !== null) clearInterval(this.#healthTimer);
    this.#healthService.setStatus('', 'NOT_SERVING');
    this.#stopping.abort(new LmsError('UNAVAILABLE', `${this.#options.component} is stopping`));
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => this.#server.forceShutdown(), STOP_TIMEOUT_MILLISECONDS);
    this.#server.tryShutdown(() => resolve());
    await promise;
    clearTimeout(timer);
  }

  #updateHealth(): void {
    this.#healthService.setStatus('', this.#options.health().healthy ? 'SERVING' : 'NOT_SERVING');
  }

  #describe() {
    const { healthy, detail } = this.#options.health();
    return {
      component: { name: this.#options.component, pid: process.pid, healthy, detail: detail ?? '' },
      startedAt: this.#startedAt,
      version: PRODUCT_VERSION,
      dependencies: [...(this.#options.dependencies?.() ?? [])],
    };
  }
}
