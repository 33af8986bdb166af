/** Results go to stdout in the form that was asked for; everything else goes to stderr. */
import { stringify } from 'yaml';

export const OUTPUT_FORMATS = ['table', 'json', 'yaml', 'name'] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

export function isOutputFormat(value: string): value is OutputFormat {
  return (OUTPUT_FORMATS as readonly string[]).includes(value);
}

export interface Result {
  /** As the API has it: what `json` and `yaml` print. */
  readonly value: unknown;
  /** For people. */
  table(): string;
  /** What names each thing, for scripts: one line each. */
  names(): readonly string[];
}

/** The text of a result, ending with a newline; empty when there is nothing to say. */
export function formatResult(result: Result, format: OutputFormat): string {
  if (format === 'json') return `${JSON.stringify(result.value, null, 2)}\n`;
  if (format === 'yaml') return stringify(result.value);
  const text = format === 'name' ? result.names().join('\n') : result.table();
  return text === '' ? '' : `${text}\n`;
}

/** Resolves when the text is with the kernel; a reader that went away (`| head`) is no failure. */
export async function writeOutput(stream: NodeJS.WritableStream, text: string): Promise<void> {
  if (text === '') return;
  await new Promise<void>((resolve, reject) => {
    stream.write(text, (error) => {
      if (error && (error as NodeJS.ErrnoException).code !== 'EPIPE') reject(error);
      else resolve();
    });
  });
}
