/** What agent and guardian say to each other: one JSON object a line, over the guardian's stdin and stdout. */
import type { GuardianReport } from '../../core/guardian.ts';
import type { SuperblockReference } from './open-mounts.ts';

export type GuardianRequest =
  /** Opens the superblocks; in the order in which they will be frozen. */
  | { readonly type: 'prepare'; readonly superblocks: readonly SuperblockReference[]; readonly listPath: string }
  | { readonly type: 'freeze'; readonly limitMilliseconds: number }
  | { readonly type: 'thaw' };

export type GuardianAnswer =
  | { readonly type: 'ready'; readonly shortcomings: readonly string[] }
  | { readonly type: 'prepared' }
  | { readonly type: 'prepareFailed'; readonly reason: string }
  /** `pauseMicroseconds`: from the call of the first FIFREEZE to the return of the last FITHAW; 0 while frozen. */
  | { readonly type: 'report'; readonly report: GuardianReport; readonly pauseMicroseconds: number };

/** Splits a stream of text into lines. A line longer than this is no message of ours. */
const MAXIMUM_LINE_CHARACTERS = 4 * 1024 * 1024;

export class LineReader<Message> {
  readonly #receive: (message: Message) => void;
  #rest = '';

  constructor(receive: (message: Message) => void) {
    this.#receive = receive;
  }

  push(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > MAXIMUM_LINE_CHARACTERS) throw new RangeError('a line without an end');
    for (const line of lines) this.#receive(JSON.parse(line) as Message);
  }
}
