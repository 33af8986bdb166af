/** What an operator's command needs to reach this manager: made at the first start, kept from then on. */
import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { LmsError } from '@lms/errors';
import { z } from 'zod';
import { replaceFile } from './durable-file.ts';

const OPERATOR_CONTEXT = z.object({ managerUrl: z.url(), caPem: z.string(), apiToken: z.string().min(32) });
export type OperatorContext = z.infer<typeof OPERATOR_CONTEXT>;

const TOKEN_BYTES = 32;

/** The token of before where there is one; the address is that of now. */
export async function ensureOperatorContext(path: string, managerUrl: string, caPem: string): Promise<OperatorContext> {
  const before = await readContext(path);
  const context = { managerUrl, caPem, apiToken: before?.apiToken ?? randomBytes(TOKEN_BYTES).toString('base64url') };
  if (before?.managerUrl !== managerUrl || before.caPem !== caPem) {
    await replaceFile(path, `${JSON.stringify(context, null, 2)}\n`);
  }
  return context;
}

/** The port that the manager had before; null: there was none. */
export async function previousPort(path: string): Promise<number | null> {
  const before = await readContext(path);
  const port = before === null ? NaN : Number(new URL(before.managerUrl).port);
  return Number.isInteger(port) && port > 0 ? port : null;
}

export function secretSha256({ apiToken }: OperatorContext): string {
  return createHash('sha256').update(apiToken).digest('hex');
}

async function readContext(path: string): Promise<OperatorContext | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw thrown;
  }
  try {
    return OPERATOR_CONTEXT.parse(JSON.parse(text));
  } catch (thrown) {
    throw new LmsError('DATA_LOSS', `${path} is not an operator's context`, {
      action:
        'Restore it from a copy, or remove it: the next start makes a new API token, and the old one stays valid.',
      cause: thrown,
    });
  }
}
