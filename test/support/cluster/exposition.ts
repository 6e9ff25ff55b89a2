import assert from 'node:assert/strict';

/** The content of a scrape: the type of each metric, and the value of each sample by name and labels. */
export interface Samples {
  readonly types: ReadonlyMap<string, string>;
  readonly samples: ReadonlyMap<string, number>;
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const helpLine = new RegExp(`^# HELP (?<name>${NAME}) \\S.*$`);
const typeLine = new RegExp(`^# TYPE (?<name>${NAME}) (?<type>counter|gauge|histogram|summary)$`);
// Numbers are parsed as by Go's ParseFloat, which ignores the case of NaN and Inf.
const sampleLine = new RegExp(`^(?<name>${NAME})(?<labels>\\{.*\\})? (?<value>[-+]?[0-9][-+.0-9e]*|nan|[-+]inf)$`, 'i');

/**
 * Parses the text format of Prometheus strictly: each metric needs HELP, TYPE and then its samples.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 */
export function samplesOf(text: string): Samples {
  const helps = new Set<string>();
  const types = new Map<string, string>();
  const samples = new Map<string, number>();
  for (const line of text.split('\n').filter((line) => line !== '')) {
    const help = helpLine.exec(line)?.groups;
    const type = typeLine.exec(line)?.groups;
    const sample = sampleLine.exec(line)?.groups;
    const name = String((help ?? type ?? sample)?.name);
    if (help) {
      helps.add(name);
    } else if (type) {
      assert.ok(helps.has(name), `no HELP for ${name}`);
      types.set(name, String(type.type));
    } else {
      assert.ok(sample, `not a line of the text format: ${line}`);
      assert.ok(types.has(familyOf(name, types)), `no TYPE for ${name}`);
      samples.set(name + (sample.labels ?? ''), Number(sample.value));
    }
  }
  return { types, samples };
}

/** Returns the metric of a sample: the samples of a histogram have suffixes such as `_bucket`. */
function familyOf(name: string, types: ReadonlyMap<string, string>): string {
  return types.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '');
}
