import type { Subcommand } from '../cli/command-line.ts';
import { readConfig } from '../cli/config.ts';
import { exitCodes } from '../cli/exit-codes.ts';
import { readPolicyOption } from '../cli/option-files.ts';
import { oneOf } from '../cli/option-parsers.ts';
import { writeYaml } from '../lib/yaml.ts';
import { type AdmissionPolicyVersion, admissionPolicy, admissionPolicyVersions } from '../policy/admission-policy.ts';

export const policyCommand = {
  description: 'print the policy as a MutatingAdmissionPolicy with its binding',
  shared: ['policy-file'],
  own: [
    {
      flags: '--api-version <version>',
      description: 'API version of the printed policy: v1 for Kubernetes 1.36 and later, v1beta1 for 1.34 and 1.35',
      default: 'v1',
      parse: oneOf(...admissionPolicyVersions),
    },
  ],
  help: `
The command makes no API call. With the two printed objects the API server caps the Jobs itself. If
the daemon runs too, the API server does not call it for these Jobs. On Kubernetes 1.34 and 1.35 the
API server needs the feature gate MutatingAdmissionPolicy and
--runtime-config=admissionregistration.k8s.io/v1beta1=true.

Exit code: 0 printed, 2 usage error or invalid policy file.

Examples:
  terraform-daemon policy | kubectl apply -f -
  terraform-daemon policy --policy-file policy.yaml --api-version v1beta1`,
  async run(raw, { apiVersion }: { readonly apiVersion: AdmissionPolicyVersion }, { stdout }) {
    const { content, problems } = readPolicyOption(raw);
    readConfig(raw, undefined, problems);
    stdout.write(writeYaml(admissionPolicy(content, apiVersion)));
    return exitCodes.done;
  },
} as const satisfies Subcommand;
