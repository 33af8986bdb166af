/** Configuration comes from the environment (`LMS_*`), is checked once, at the start, and never changes afterwards. */
import { readFileSync } from 'node:fs';
import { LmsError } from '@lms/errors';
import type { ZodType } from 'zod';

export type Environment = Readonly<Record<string, string | undefined>>;

/** INVALID_ARGUMENT that names the first variable which is wrong, and why. */
export function readConfiguration<Configuration>(
  schema: ZodType<Configuration>,
  environment: Environment = process.env,
): Configuration {
  const present = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const parsed = schema.safeParse(present);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const variable = issue?.path.join('.') ?? 'environment';
  throw new LmsError('INVALID_ARGUMENT', `${variable}: ${issue?.message ?? 'not valid'}`, {
    field: variable,
    action: `Set the environment variable ${variable}.`,
  });
}

/** The content of a file that a variable names, such as a password: secrets are files, never variables. */
export function readConfiguredFile(variable: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (thrown) {
    throw new LmsError('INVALID_ARGUMENT', `${variable}: ${path} cannot be read`, {
      field: variable,
      action: 'Name a file that this process may read.',
      cause: thrown,
    });
  }
}
