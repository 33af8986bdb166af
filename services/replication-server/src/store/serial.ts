/** Runs one call after another, in the order in which they were made. A failed call does not stop the next. */
export class Serial {
  #last: Promise<unknown> = Promise.resolve();

  run<Result>(call: () => Promise<Result>): Promise<Result> {
    const next = this.#last.then(call, call);
    this.#last = next.catch(() => undefined);
    return next;
  }
}
