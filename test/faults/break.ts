/**
 * A break: one rule broken on purpose by a small edit of the product's source, and who must notice.
 *
 * The old text must occur exactly once in its file: a change of the product that moves it makes the run fail until the
 * break is written anew, so that none silently becomes an edit of nothing.
 */
export const RULES = [
  ...['R1', 'R2', 'R3', 'R4', 'R5', 'R6', 'R7', 'R8', 'R9'],
  ...['R10', 'R11', 'R12', 'R13', 'R14', 'R15', 'R16', 'R17', 'R18'],
] as const;

export interface Break {
  readonly rule: string;
  /** What the product does wrong then. Unique: it names the break. */
  readonly what: string;
  /** From the root of the repository. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /**
   * The simulation, where it sees the rule in more than one history of hundreds; `seed` is the one that is tried first, and
   * when it stays green, all seeds of `make test` are. Else a test file that must go red.
   */
  readonly by: { readonly seed: number } | { readonly test: string };
}
