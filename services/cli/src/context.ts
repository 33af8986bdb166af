/** Which manager, and who is asking: the file that `lms manager` writes at its first start (`operator.json`, mode 0600). */
import { readFile } from 'node:fs/promises';
import { CommandError, withExit } from '@lms/command-line';
import { z } from 'zod';

export const OperatorContext = z.object({
  managerUrl: z.url({ protocol: /^https$/ }),
  /** null: the manager's certificate is checked against the system's store alone. */
  caPem: z.string().nullable(),
  apiToken: z.string().min(1),
});
export type OperatorContext = z.infer<typeof OperatorContext>;

const HOW_TO_NAME_ONE =
  'Name it with --context FILE or $LMS_CONTEXT: operator.json in the data folder of `lms manager`.';

export async function readContext(path: string | undefined): Promise<OperatorContext> {
  if (path === undefined || path === '') {
    throw new CommandError('unreachable', 'NOT_FOUND', 'no context is named', { action: HOW_TO_NAME_ONE });
  }
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (thrown) {
    throw withExit('unreachable', thrown, `cannot read the context ${path}`, HOW_TO_NAME_ONE);
  }
  const parsed = OperatorContext.safeParse(jsonOrNull(text));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue === undefined || issue.path.length === 0 ? '' : ` at ${issue.path.join('.')}`;
  throw new CommandError('unreachable', 'INVALID_ARGUMENT', `${path} is not a context${where}`, {
    action: HOW_TO_NAME_ONE,
  });
}

function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
