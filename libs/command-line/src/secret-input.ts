/** Secrets come from a file or from stdin, never from the command line, which every user of the host can read. */
import { readFile } from 'node:fs/promises';
import { CommandError, withExit } from './exit-code.ts';

/** Longer than any token; stdin that never ends must not fill the memory. */
const MAXIMUM_SECRET_BYTES = 16 * 1024;

/** Without any white space in it, as tokens are; a password may have spaces. */
type SecretForm = 'token' | 'password';

export async function readSecretFile(path: string, what: string, form: SecretForm = 'token'): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (thrown) {
    throw withExit('failed', thrown, `cannot read the ${what} from ${path}`);
  }
  return checkedSecret(text, what, path, form);
}

export async function readSecretStream(
  stream: NodeJS.ReadableStream,
  what: string,
  form: SecretForm = 'token',
): Promise<string> {
  let text = '';
  for await (const chunk of stream) {
    text += String(chunk);
    if (text.length > MAXIMUM_SECRET_BYTES) break;
  }
  return checkedSecret(text, what, 'stdin', form);
}

function checkedSecret(text: string, what: string, source: string, form: SecretForm): string {
  // Spaces at the ends of a password are part of it; the end of its line is not.
  const secret = form === 'token' ? text.trim() : text.replace(/\r?\n$/, '');
  const forbidden = form === 'token' ? /\s/ : /[\r\n]/;
  if (secret === '' || secret.length > MAXIMUM_SECRET_BYTES || forbidden.test(secret)) {
    throw new CommandError(
      'failed',
      'INVALID_ARGUMENT',
      `${source} holds no ${what}: one line with the ${what} is needed`,
    );
  }
  return secret;
}
