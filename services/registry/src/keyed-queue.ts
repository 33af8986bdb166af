/**
 * One after the other for the same key, at the same time for others. Compare-and-set alone is right too, but a thousand
 * writers of one key in this process would lose most of their races; so they stand in line here first.
 */
export class KeyedQueue {
  readonly #last = new Map<string, Promise<void>>();

  async run<Result>(key: string, work: () => Promise<Result>): Promise<Result> {
    const before = this.#last.get(key) ?? Promise.resolve();
    const { promise: mine, resolve: leave } = Promise.withResolvers<void>();
    this.#last.set(key, mine);
    await before;
    try {
      return await work();
    } finally {
      if (this.#last.get(key) === mine) this.#last.delete(key);
      leave();
    }
  }
}
