/** Secrets come from a file or from stdin, never from the command line, which every user of the host can read. */
import { readFile } from 'node:fs/promises';
import { CommandError, withExit } from './exit-code.ts';

/** Longer than any token; stdin that never ends must not fill the memory. */
const MAXIMUM_SECRET_BYTES = 16 * 1024;

export async function readSecretFile(path: string, what: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (thrown) {
    throw withExit('failed', thrown, `cannot read the ${what} from ${path}`);
  }
  return checkedSecret(text, what, path);
}

export async function readSecretStream(stream: NodeJS.ReadableStream, what: string): Promise<string> {
  let text = '';
  for await (const chunk of stream) {
    text += String(chunk);
    if (text.length > MAXIMUM_SECRET_BYTES) break;
  }
  return checkedSecret(text, what, 'stdin');
}

function checkedSecret(text: string, what: string, source: string): string {
  const secret = text.trim();
  if (secret === '' || secret.length > MAXIMUM_SECRET_BYTES || /\s/.test(secret)) {
    throw new CommandError(
      'failed',
      'INVALID_ARGUMENT',
      `${source} holds no ${what}: one line with the ${what} is needed`,
    );
  }
  return secret;
}
