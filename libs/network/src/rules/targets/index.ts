/** Every form of rules there is, by the name that people type. */
import { AWS } from './aws.ts';
import { AZURE } from './azure.ts';
import { GCP } from './gcp.ts';
import { IBM } from './ibm.ts';
import { IPTABLES } from './iptables.ts';
import { KUBERNETES } from './kubernetes.ts';
import { NFTABLES } from './nftables.ts';
import type { Target } from './target.ts';
import { TERRAFORM_AWS } from './terraform-aws.ts';
import { TERRAFORM_AZURE } from './terraform-azure.ts';
import { TERRAFORM_GCP } from './terraform-gcp.ts';

export const TARGET_NAMES = [
  'aws',
  'azure',
  'gcp',
  'ibm',
  'nftables',
  'iptables',
  'kubernetes',
  'terraform-aws',
  'terraform-azure',
  'terraform-gcp',
] as const;
export type TargetName = (typeof TARGET_NAMES)[number];

export const TARGETS: Readonly<Record<TargetName, Target>> = {
  aws: AWS,
  azure: AZURE,
  gcp: GCP,
  ibm: IBM,
  nftables: NFTABLES,
  iptables: IPTABLES,
  kubernetes: KUBERNETES,
  'terraform-aws': TERRAFORM_AWS,
  'terraform-azure': TERRAFORM_AZURE,
  'terraform-gcp': TERRAFORM_GCP,
};
