import { z } from 'zod';

/** Whether a value has the type of a schema. */
export type Accepts = (value: unknown) => boolean;

/**
 * A schema as a plain predicate. Where a schema copies every value that it reads, to hand out the result,
 * this only looks, which is many times faster for 150,000 pods that are as they should be. For those that
 * are not, the schema itself says what is wrong.
 */
export function acceptsOf(schema: z.core.$ZodType): Accepts {
  const type = acceptsType(schema);
  const checks = (schema._zod.def.checks ?? []).map((check) => acceptsCheck(check));
  if (!type || checks.some((check) => check === undefined)) return (value) => z.safeParse(schema, value).success;
  if (checks.length === 0) return type;
  return (value) => type(value) && checks.every((check) => check?.(value));
}

/** undefined for types that are not known here. */
function acceptsType(schema: z.core.$ZodType): Accepts | undefined {
  if (schema instanceof z.ZodOptional) {
    const inner = acceptsOf(schema.unwrap());
    return (value) => value === undefined || inner(value);
  }
  if (schema instanceof z.ZodString) return (value) => typeof value === 'string';
  if (schema instanceof z.ZodBoolean) return (value) => typeof value === 'boolean';
  if (schema instanceof z.ZodEnum || schema instanceof z.ZodLiteral) {
    const values: ReadonlySet<unknown> = schema instanceof z.ZodEnum ? new Set(schema.options) : schema.values;
    return (value) => values.has(value);
  }
  if (schema instanceof z.ZodCustom) return acceptsCheck(schema);
  if (schema instanceof z.ZodUnion) {
    const options = schema.options.map(acceptsOf);
    return (value) => options.some((accepts) => accepts(value));
  }
  if (schema instanceof z.ZodArray) {
    const item = acceptsOf(schema.element);
    return (value) => Array.isArray(value) && value.every(item);
  }
  if (schema instanceof z.ZodRecord && schema.keyType instanceof z.ZodString) {
    const entry = acceptsOf(schema.valueType);
    return (value) => {
      if (!isPlainObject(value)) return false;
      for (const key of Object.keys(value)) if (!entry((value as Readonly<Record<string, unknown>>)[key])) return false;
      return true;
    };
  }
  if (schema instanceof z.ZodObject && schema.def.catchall instanceof z.ZodUnknown) return acceptsFields(schema.shape);
  return undefined;
}

function acceptsFields(shape: z.core.$ZodShape): Accepts {
  const fields = Object.entries(shape).map(([name, field]) => ({ name, accepts: acceptsOf(field) }));
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
    for (const { name, accepts } of fields) if (!accepts((value as Readonly<Record<string, unknown>>)[name])) return false;
    return true;
  };
}

/** Of records zod takes plain objects only, of objects any that is no list. */
function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Of the rules that come on top of a type. */
function acceptsCheck(check: z.core.$ZodCheck | z.ZodCustom): Accepts | undefined {
  if (check instanceof z.core.$ZodCheckMinLength) {
    const { minimum } = check._zod.def;
    return (value) => (value as { readonly length: number }).length >= minimum;
  }
  if (!(check instanceof z.ZodCustom)) return undefined;
  const { fn } = check._zod.def;
  return (value) => Boolean(fn(value));
}
