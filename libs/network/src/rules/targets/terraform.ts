/**
 * Terraform and OpenTofu, in their JSON form (`.tf.json`): as good as the other one for the program, and nothing in a name or a
 * comment of ours can be mistaken for a part of the language.
 */
import type { RoleRules, Rule } from '../model.ts';
import { json, numbered } from './target.ts';

export interface Configuration {
  readonly notes: readonly string[];
  readonly provider: { readonly name: string; readonly source: string; readonly version: string };
  readonly variables: Readonly<Record<string, object>>;
  readonly resources: Readonly<Record<string, Readonly<Record<string, object>>>>;
}

export function terraformText({ notes, provider, variables, resources }: Configuration): string {
  const { name, source, version } = provider;
  const filled = Object.entries(resources).filter(([, ofType]) => Object.keys(ofType).length > 0);
  return json({
    // Comments of the JSON form.
    '//': notes.join(' '),
    terraform: { required_providers: { [name]: { source, version } } },
    variable: variables,
    resource: Object.fromEntries(filled),
  });
}

export function variable(description: string, standard: string | null): object {
  return { type: 'string', description, ...(standard !== null && { default: standard }) };
}

export function identifier(text: string): string {
  return text.replaceAll('-', '_');
}

/** Resources of all rules of all roles, by name. */
export function resourcesOf(
  roles: readonly RoleRules[],
  make: (rule: Rule, name: string, role: RoleRules['role'], index: number) => Readonly<Record<string, object>>,
): Readonly<Record<string, object>> {
  return Object.assign(
    {},
    ...roles.flatMap((role) =>
      numbered(role, (rule, name) => [rule, name] as const).map(([rule, name], index) =>
        make(rule, identifier(`${role.role}-${name}`), role.role, index),
      ),
    ),
  ) as Readonly<Record<string, object>>;
}
