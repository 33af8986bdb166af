/**
 * Several services in one process: started one after the other, so that each can be told where the earlier ones listen,
 * and stopped in the opposite order.
 */
import type { Logger } from '@lms/telemetry';
import type { Service } from './service.ts';

export class ServiceGroup {
  readonly #started: Service[] = [];
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  get services(): readonly Service[] {
    return this.#started;
  }

  /** A service whose start fails is stopped too, with the others, by `stop`. */
  async start<Started extends Service>(service: Started, signal: AbortSignal): Promise<Started> {
    signal.throwIfAborted();
    this.#started.push(service);
    await service.start(signal);
    return service;
  }

  /** All are stopped, whatever one of them does; a failure is logged. */
  async stop(): Promise<void> {
    for (let service = this.#started.pop(); service !== undefined; service = this.#started.pop()) {
      try {
        await service.stop();
      } catch (thrown) {
        this.#logger.error({ error: thrown, service: service.name }, 'a service did not stop in order');
      }
    }
  }
}
