/** Sign-in to the console: an API token is given once, and stands in a cookie from then on. */
import { z } from 'zod';
import { Instant } from './values.ts';

export const SignInRequest = z.strictObject({
  apiToken: z
    .string()
    .min(1, 'must be an API token')
    .max(256)
    .regex(/^[\x21-\x7e]+$/, 'must be an API token: letters and digits, without spaces'),
});
export type SignInRequest = z.infer<typeof SignInRequest>;

export const ConsoleSession = z.object({
  /** Of the API token. */
  name: z.string(),
  /** When it has to be given again, however much is done. */
  endsAt: Instant,
});
export type ConsoleSession = z.infer<typeof ConsoleSession>;
