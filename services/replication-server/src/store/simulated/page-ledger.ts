/**
 * Counts the pages that cached files hold, shared ones (clones) once: what "space used" means to the simulated disk.
 */
export const PAGE_BYTES = 4096;

/** Content of one page. Never changed in place: a write puts another one there, so that clones and history can share it. */
export type Page = Uint8Array;

export class PageLedger {
  #holders = new Map<Page, number>();

  get usedBytes(): number {
    return this.#holders.size * PAGE_BYTES;
  }

  isShared(page: Page): boolean {
    return (this.#holders.get(page) ?? 0) > 1;
  }

  add(page: Page): void {
    this.#holders.set(page, (this.#holders.get(page) ?? 0) + 1);
  }

  remove(page: Page): void {
    const holders = this.#holders.get(page) ?? 0;
    if (holders <= 1) this.#holders.delete(page);
    else this.#holders.set(page, holders - 1);
  }

  clear(): void {
    this.#holders.clear();
  }
}
