/** Which Secrets there are to be, as the chart says it: one JSON document in the environment. */
import { LmsError } from '@lms/errors';
import { readConfiguration, type Environment } from '@lms/service';
import { z } from 'zod';

const SECRET_NAME = z
  .string()
  .max(253)
  .regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/, 'must be the name of a Secret');
const COMPONENT = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be the name of a component');

/** `given`: somebody else made it (`existingSecret`): it is read, and never written. */
const AUTHORITY = z.strictObject({ secret: SECRET_NAME, given: z.boolean().default(false) });

const PLAN = z.strictObject({
  /** The release's name: label app.kubernetes.io/instance of all that is made. */
  instance: z.string().min(1).max(63),
  /** The manager's CA: agents and replication servers are signed by it. */
  authority: AUTHORITY,
  /** The CA among the manager's services; null: every certificate is given. */
  internalAuthority: AUTHORITY.nullable(),
  /** One Secret for each component, signed by the internal CA. */
  certificates: z.array(
    z.strictObject({
      component: COMPONENT,
      secret: SECRET_NAME,
      /** Beside the name that gRPC checks: where something else connects to this component by TLS. */
      names: z.array(z.string().min(1)).default([]),
      /** A StatefulSet that reads its certificate at its start only: its pods are replaced when it was renewed. */
      statefulSet: z.string().min(1).nullable().default(null),
    }),
  ),
  /** Null: given, or NATS is somebody else's. */
  nats: z.strictObject({ secret: SECRET_NAME, users: z.array(COMPONENT).min(1) }).nullable(),
  operator: z.strictObject({ secret: SECRET_NAME, managerUrl: z.url({ protocol: /^https$/ }) }).nullable(),
  /** For an ingress without a certificate of its own; signed by the manager's CA. */
  gatewayCertificate: z.strictObject({ secret: SECRET_NAME, names: z.array(z.string().min(1)).min(1) }).nullable(),
});
export type SetupPlan = z.infer<typeof PLAN>;

const CONFIGURATION = z.object({ LMS_NAMESPACE: z.string().min(1), LMS_SETUP_PLAN: z.string() });

export interface SetupConfiguration {
  readonly namespace: string;
  readonly plan: SetupPlan;
}

export function readSetupConfiguration(environment: Environment = process.env): SetupConfiguration {
  const { LMS_NAMESPACE, LMS_SETUP_PLAN } = readConfiguration(CONFIGURATION, environment);
  return { namespace: LMS_NAMESPACE, plan: parsePlan(LMS_SETUP_PLAN) };
}

/** INVALID_ARGUMENT that names the first value which is wrong. */
export function parsePlan(text: string): SetupPlan {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (thrown) {
    throw new LmsError('INVALID_ARGUMENT', 'LMS_SETUP_PLAN is no JSON', { field: 'LMS_SETUP_PLAN', cause: thrown });
  }
  const parsed = PLAN.safeParse(document);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = `LMS_SETUP_PLAN.${issue?.path.join('.') ?? ''}`;
  throw new LmsError('INVALID_ARGUMENT', `${field}: ${issue?.message ?? 'not valid'}`, {
    field,
    action: 'The chart writes this; correct its values.',
  });
}
