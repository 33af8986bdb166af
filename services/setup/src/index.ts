/** Makes the Secrets of an installation on Kubernetes, checks one from the inside, and removes what a release leaves. */
export { KubernetesSecretStore } from './cluster/kubernetes-secret-store.ts';
export { parsePlan, type SetupPlan } from './plan.ts';
export { ensureSecrets, type Outcome, type SecretStore } from './secrets/ensure-secrets.ts';
