import { reasons } from '../../src/certs/reason-texts.ts';
import type { OwnOption, Subcommand } from '../../src/cli/command-line.ts';
import { exitCodes } from '../../src/cli/exit-codes.ts';
import { environmentName, type OptionDefinition, type OptionName, optionGroups } from '../../src/cli/options.ts';
import { appliesVerdicts } from '../../src/commands/applies/report.ts';
import { checkVerdicts, passedWithoutDryRun } from '../../src/commands/check/report.ts';
import { verdicts } from '../../src/commands/inspect/report.ts';
import { subcommands } from '../../src/commands/subcommands.ts';
import { registrationReasons } from '../../src/registration/drift.ts';
import { eventReasons } from '../../src/telemetry/events.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { valuesSection } from '../chart/values-table.ts';
import { markdownTable } from './markdown-table.ts';
import { endingTexts, exitCodeTexts, reasonTexts } from './texts.ts';

/** The folder docs/reference/, to which the generated pages are written. */
export const FOLDER = new URL('../../docs/reference/', import.meta.url);

const GENERATED = '<!-- Generated from the code by `npm run docs`. -->';

/** Returns the generated pages of docs/reference/ by file name. */
export const pages = (): ReadonlyMap<string, string> =>
  new Map([
    ['chart-values.md', chartValuesPage()],
    ['exit-codes.md', exitCodesPage()],
    ['metrics.md', metricsPage()],
    ['options.md', optionsPage()],
    ['reasons.md', reasonsPage()],
  ]);

const page = (title: string, ...blocks: readonly string[]): string =>
  [`# ${title}`, GENERATED, ...blocks, ''].join('\n\n').trimEnd().concat('\n');

const chartValuesPage = (): string =>
  page(
    'Values of the Helm chart',
    'How to use them: [install with Helm](../how-to/install-with-helm.md).',
    valuesSection(),
  );

const code = (text: string): string => `\`${text}\``;

const OPTIONS_HEAD = ['option', 'environment variable', 'default', 'meaning'];

function optionsPage(): string {
  const groups = Object.entries(optionGroups).flatMap(([heading, group]) => [
    `### ${heading}`,
    markdownTable(OPTIONS_HEAD, Object.entries(group).map(sharedRow)),
  ]);
  const own = Object.entries(subcommands).flatMap(commandBlocks);
  const rule = 'An option on the command line overrides its environment variable.';
  return page('Options', rule, '## Options of run', ...groups, ...own);
}

/** Returns the tables of a command and of its nested commands. */
function commandBlocks([name, command]: readonly [string, Subcommand]): readonly string[] {
  const nested = Object.entries(command.subcommands ?? {});
  return [
    `## Options of ${name}`,
    `The command \`terraform-daemon ${name}\` also has these options of \`terraform-daemon run\`: ${command.shared.map((shared) => code(`--${shared}`)).join(', ')}.`,
    markdownTable(OPTIONS_HEAD, command.own.map(ownRow)),
    ...nested.flatMap(([nestedName, one]) => commandBlocks([`${name} ${nestedName}`, one])),
  ];
}

function sharedRow([name, option]: readonly [string, OptionDefinition<unknown>]): readonly string[] {
  const { placeholder, description, details, default: value, defaultText = 'none' } = option;
  return [
    code(`--${name} <${placeholder}>`),
    code(environmentName(name as OptionName)),
    value === undefined ? defaultText : code(value),
    details === undefined ? description : `${description}. ${details}`,
  ];
}

function ownRow({ flags, description, default: value, defaultText }: OwnOption): readonly string[] {
  const shown = defaultText ?? value;
  return [code(flags), 'none', shown === undefined ? 'none' : code(`${shown}`), description];
}

function metricsPage(): string {
  const metrics = createMetrics('').describe();
  const rows = metrics.map(({ name, type, labelNames, help }) => [
    code(name),
    `${type}`,
    labelNames.map(code).join(', ') || 'none',
    /_(seconds|bytes)(?:_total)?$/.exec(name)?.[1] ?? 'none',
    help,
  ]);
  return page(
    'Metrics',
    'The daemon serves these metrics at `/metrics`, on the port of `--metrics-bind-port`.',
    markdownTable(['name', 'type', 'labels', 'unit', 'meaning'], rows),
  );
}

function reasonsPage(): string {
  const meanings: Readonly<Record<keyof typeof eventReasons, string>> = {
    ...reasons,
    ...registrationReasons,
    ...reasonTexts,
  };
  const rows = Object.entries(eventReasons).map(([word, event]) => [
    code(word),
    code(event),
    meanings[word as keyof typeof eventReasons],
  ]);
  return page(
    'Reasons',
    'The log and the labels of the metrics contain a reason as in the first column. Events have the reason of the second column. The actions of an operator are in [troubleshooting](../how-to/troubleshoot.md).',
    '## Events about the Secret and the webhook configuration',
    markdownTable(['log and metrics', 'Event reason', 'meaning'], rows),
    '## Events about Jobs',
    markdownTable(
      ['log message', 'Event reason', 'meaning'],
      [
        [
          code('uncapped job capped'),
          code('Missed'),
          'the Job was stored uncapped, for example because the API server did not call the webhook, and the backstop capped it',
        ],
        [
          code('job failed, not retried by policy'),
          code('NotRetried'),
          'the Job has failed, and the policy does not retry it. The message says how it ended',
        ],
      ],
    ),
    '## Events about Configurations',
    markdownTable(
      ['log message', 'Event reason', 'meaning'],
      [
        [
          code('failed apply reported on its configuration'),
          code('ApplyFailed'),
          'the Job of terraform apply has failed, the policy does not retry it, and the Configuration is neither Available nor being deleted',
        ],
        [
          code('failed apply reported on its configuration'),
          code('DestroyFailed'),
          'the Job of terraform destroy has failed, the policy does not retry it, and the Configuration waits to be deleted',
        ],
      ],
    ),
    '## Endings of a failed Job',
    'The message of `NotRetried` says how the Job ended, as far as its Pods show it. The log line `job failed, not retried by policy` has the ending in the field `ending`. `ApplyFailed` and `DestroyFailed` say it too, but without the reason and the message of the Pod if the Job is in another namespace than the Configuration.',
    markdownTable(
      ['ending', 'what was seen'],
      Object.entries(endingTexts).map(([kind, text]) => [code(kind), text]),
    ),
  );
}

function exitCodesPage(): string {
  const rows = Object.entries(exitCodes).map(([name, value]) => [
    `${value}`,
    exitCodeTexts[name as keyof typeof exitCodes],
  ]);
  return page(
    'Exit codes',
    markdownTable(['code', 'meaning'], rows),
    '## Results of inspect',
    resultsTable(verdicts),
    '## Results of check',
    resultsTable(checkVerdicts),
    `The text of \`passed\` for \`check --pre\`: ${passedWithoutDryRun}.`,
    '## Results of applies',
    resultsTable(appliesVerdicts),
  );
}

function resultsTable(
  results: Readonly<Record<string, { readonly exitCode: number; readonly meaning: string }>>,
): string {
  const rows = Object.entries(results).map(([word, { exitCode, meaning }]) => [`${exitCode}`, code(word), meaning]);
  return markdownTable(
    ['code', 'result', 'meaning'],
    rows.toSorted(([one = ''], [other = '']) => one.localeCompare(other)),
  );
}
