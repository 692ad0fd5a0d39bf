/**
 * Why the API server would refuse a map of labels, or a selector that is such a map (ValidateLabels in
 * apimachinery/pkg/apis/meta/v1/validation); undefined when it would not.
 */
export function problemOfLabels(labels: Readonly<Record<string, string>>): string | undefined {
  for (const [key, value] of Object.entries(labels)) {
    if (!isQualifiedName(key))
      return `${quoted(key)} is no name of a label: expected one such as app or example.com/app, of letters, digits, "-", "_" and "."`;
    if (value !== '' && !isNamePart(value))
      return `${quoted(value)} is no value of the label ${key}: expected at most 63 letters, digits, "-", "_" and ".", with a letter or digit at both ends`;
  }
  return undefined;
}

/** `name` or `prefix/name`, where the prefix is a DNS name (IsQualifiedName in apimachinery/pkg/util/validation). */
export function isQualifiedName(text: string): boolean {
  const slash = text.indexOf('/');
  return slash < 0 ? isNamePart(text) : isDnsName(text.slice(0, slash)) && isNamePart(text.slice(slash + 1));
}

/** RFC 1123 subdomain, in lower case (IsDNS1123Subdomain). */
export const isDnsName = (text: string): boolean =>
  text.length <= 253 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(text);

/** RFC 1123 label, in lower case (IsDNS1123Label). */
export const isDnsLabel = (text: string): boolean => text.length <= 63 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(text);

const isNamePart = (text: string): boolean => text.length <= 63 && /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/.test(text);

const quoted = (text: string): string => JSON.stringify(text.length <= 60 ? text : `${text.slice(0, 59)}…`);
