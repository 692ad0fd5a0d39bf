import type { Problem } from '../../protocol/view.ts';
import { objectName } from '../k8s/kinds.ts';
import type { ApiObject } from '../k8s/metadata.ts';

/** Way from an object to one of its fields: `['spec', 'containers', 0, 'name']`. */
export type FieldPath = readonly (string | number)[];

export interface Place {
  readonly file: string;
  /** Number of the YAML document in its file, from 1. */
  readonly document: number;
  readonly line: number | undefined;
  readonly column: number | undefined;
}

/** Where a field of an object was written; undefined for objects that come from no file. A field that is not there gives its nearest parent. */
export type Locate = (object: ApiObject, path: FieldPath) => Place | undefined;

/** More of one severity are counted, not kept: nobody reads them, and finding a place costs time. */
export const PROBLEMS_MAX = 50;

/** `spec.containers[0].ports[0].containerPort`, `metadata.annotations["hoplab.dev/listen"]` */
export function formatPath(path: FieldPath): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^[A-Za-z_$][\w$-]*$/.test(step)) text += text === '' ? step : `.${step}`;
    else text += `[${JSON.stringify(clip(step, 80))}]`;
  }
  return text;
}

/** Text from outside as it may stand in a message: one line, not too long. */
export function clip(text: string, lengthMax: number): string {
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length <= lengthMax ? line : `${line.slice(0, lengthMax - 1)}…`;
}

/** Gathers what is wrong, with the places, up to a limit for each severity. */
export class ProblemList {
  private readonly kept: Problem[] = [];
  private readonly counts = { error: 0, warning: 0, info: 0 };
  private readonly locate: Locate;

  constructor(locate: Locate) {
    this.locate = locate;
  }

  get hasErrors(): boolean {
    return this.counts.error > 0;
  }

  error(object: ApiObject, path: FieldPath, message: string): void {
    this.report('error', object, path, message);
  }

  warning(object: ApiObject, path: FieldPath, message: string): void {
    this.report('warning', object, path, message);
  }

  info(object: ApiObject, path: FieldPath, message: string): void {
    this.report('info', object, path, message);
  }

  /** A problem that belongs to no object, such as a syntax error. */
  add(problem: Problem): void {
    if (++this.counts[problem.severity] <= PROBLEMS_MAX) this.kept.push(problem);
  }

  /** ` in web.yaml line 12`, for messages that point to a second place; empty when it is not known. */
  placeText(object: ApiObject, path: FieldPath): string {
    const place = this.counts.error < PROBLEMS_MAX ? this.locate(object, path) : undefined;
    if (!place) return '';
    return place.line === undefined ? ` in ${place.file}` : ` in ${place.file} line ${place.line}`;
  }

  /** What was found, in the order found, and at the end how many more there are. */
  all(): Problem[] {
    const result = [...this.kept];
    for (const severity of ['error', 'warning', 'info'] as const) {
      const more = this.counts[severity] - PROBLEMS_MAX;
      if (more > 0) result.push(problemWithoutPlace(severity, `and ${more} more of this severity that are not listed`));
    }
    return result;
  }

  private report(severity: Problem['severity'], object: ApiObject, path: FieldPath, message: string): void {
    if (++this.counts[severity] > PROBLEMS_MAX) return;
    const place = this.locate(object, path);
    this.kept.push({
      severity,
      file: place?.file,
      document: place?.document,
      line: place?.line,
      column: place?.column,
      object: objectName(object),
      field: path.length === 0 ? undefined : formatPath(path),
      message,
    });
  }
}

export function problemWithoutPlace(severity: Problem['severity'], message: string): Problem {
  return {
    severity,
    file: undefined,
    document: undefined,
    line: undefined,
    column: undefined,
    object: undefined,
    field: undefined,
    message,
  };
}
