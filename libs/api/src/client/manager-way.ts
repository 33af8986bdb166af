/** The way to the manager, direct or by a proxy, which may be changed while requests are under way. */
import type { ProxySettings } from '@lms/proxy';
import type { Agent } from 'undici';
import { createDispatcher } from './trust.ts';

interface Way {
  readonly dispatcher: Agent;
  /** Ends what is still being opened. */
  readonly ending: AbortController;
}

export class ManagerWay {
  readonly #caPem: string | null;
  readonly #finishing = new Set<Way>();
  #current: Way;

  constructor(caPem: string | null, proxy: ProxySettings | null) {
    this.#caPem = caPem;
    this.#current = this.#open(proxy);
  }

  get dispatcher(): Agent {
    return this.#current.dispatcher;
  }

  /** New requests take the new way at once; those under way come to their end on the old one, or are given up. */
  change(proxy: ProxySettings | null, old: 'finish' | 'give-up'): void {
    const before = this.#current;
    this.#current = this.#open(proxy);
    this.#finishing.add(before);
    const gone = old === 'finish' ? before.dispatcher.close() : end(before);
    // Whoever closes it meanwhile ends it as well.
    void gone.catch(() => undefined).then(() => this.#finishing.delete(before));
  }

  async close(): Promise<void> {
    await Promise.all([this.#current, ...this.#finishing].map(end));
  }

  #open(proxy: ProxySettings | null): Way {
    const ending = new AbortController();
    return { dispatcher: createDispatcher(this.#caPem, proxy, ending.signal), ending };
  }
}

async function end({ dispatcher, ending }: Way): Promise<void> {
  ending.abort(new DOMException('the way to the manager is closed', 'AbortError'));
  await dispatcher.destroy();
}
