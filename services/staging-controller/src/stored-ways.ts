/** Which settings of the block stream's addresses have taken effect for a machine, as the state holds it. */
import { BlockStreamUse, type BlockStreamHost, type BlockStreamSettings } from '@lms/proto';
import { z } from 'zod';

const HOST = z.object({ host: z.string(), port: z.int().nonnegative() }).nullable();
const SETTINGS = z.object({ use: z.enum(['any', 'public', 'private']), public: HOST, private: HOST });
type StoredSettings = z.infer<typeof SETTINGS>;

export const STORED_WAYS = z.object({
  applied: SETTINGS,
  /** Null: the machine has no others. */
  pending: z
    .object({
      wanted: SETTINGS,
      /** RFC 3339. */
      since: z.string(),
      reason: z.string(),
      /** Null: a check is under way. */
      nextCheckAt: z.string().nullable(),
    })
    .nullable(),
});
export type StoredWays = z.infer<typeof STORED_WAYS>;

const USES = {
  any: BlockStreamUse.ANY,
  public: BlockStreamUse.PUBLIC,
  private: BlockStreamUse.PRIVATE,
} as const;

export function storedSettings({ use, public: outer, private: inner }: BlockStreamSettings): StoredSettings {
  const word = use === BlockStreamUse.PUBLIC ? 'public' : use === BlockStreamUse.PRIVATE ? 'private' : 'any';
  return { use: word, public: outer ?? null, private: inner ?? null };
}

export function blockStreamSettings(stored: StoredSettings): BlockStreamSettings {
  return { use: USES[stored.use], public: stored.public ?? undefined, private: stored.private ?? undefined };
}

export function isSameSettings(one: BlockStreamSettings, other: BlockStreamSettings): boolean {
  const isSameHost = (first: BlockStreamHost | undefined, second: BlockStreamHost | undefined): boolean =>
    first?.host === second?.host && first?.port === second?.port;
  return (
    storedSettings(one).use === storedSettings(other).use &&
    isSameHost(one.public, other.public) &&
    isSameHost(one.private, other.private)
  );
}
