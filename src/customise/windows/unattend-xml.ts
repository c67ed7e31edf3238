import type { Document, Element } from '@xmldom/xmldom';
import { TdError } from '../../lib/errors.ts';

/** Windows Setup's names and `wcm` attributes (Microsoft, "Unattended Windows Setup Reference"). */
const UNATTEND = 'urn:schemas-microsoft-com:unattend';
const WCM = 'http://schemas.microsoft.com/WMIConfig/2002/State';
const XMLNS = 'http://www.w3.org/2000/xmlns/';
const EMPTY = `<unattend xmlns="${UNATTEND}"/>`;

/** A new element: its name and what is in it; `add` makes it one of a list, told apart by a key where it has one. */
export interface NewElement {
  name: string;
  content: string | NewElement[];
  add?: { key?: string };
}

export function element(name: string, content: string | NewElement[]): NewElement {
  return { name, content };
}

export function listed(name: string, content: string | NewElement[], key?: string): NewElement {
  return { name, content, add: key === undefined ? {} : { key } };
}

/** An answer file of Windows Vista and later that is being changed; what is not touched stays. */
export class UnattendXml {
  readonly #document: Document;
  readonly #serialize: (document: Document) => string;

  private constructor(document: Document, serialize: (document: Document) => string) {
    this.#document = document;
    this.#serialize = serialize;
  }

  /**
   * @param options.what names the file in errors.
   * @throws TdError `invalid` when it is no well-formed answer file, or has a DTD, which none needs.
   */
  static async parse(bytes: Buffer | undefined, options: { what: string }): Promise<UnattendXml> {
    // The library is read only for sysprepped systems. In the bundle only the default export is there.
    const { DOMParser, onErrorStopParsing, XMLSerializer } = (await import('@xmldom/xmldom')).default;
    const wrong = (why: string) =>
      new TdError(
        'invalid',
        `Cannot use the answer file "${options.what}": ${why}; put it right on the master`,
      );
    const text = bytes === undefined ? EMPTY : decodeXml(bytes);
    if (/<!DOCTYPE/i.test(text)) throw wrong('it has a document type');
    let document: Document;
    try {
      document = new DOMParser({ onError: onErrorStopParsing }).parseFromString(text, 'text/xml');
    } catch (error) {
      // The library's own words cite the content, where a password can be.
      const line = (error as { locator?: { lineNumber?: number } }).locator?.lineNumber;
      throw wrong(`it is not well-formed XML${line === undefined ? '' : `, see line ${line}`}`);
    }
    const root = document.documentElement;
    if (root?.localName !== 'unattend' || root.namespaceURI !== UNATTEND)
      throw wrong('it is none of Windows');
    return new UnattendXml(document, (changed) => new XMLSerializer().serializeToString(changed));
  }

  /** In UTF-8, with a declaration. */
  toBuffer(): Buffer {
    const body = this.#serialize(this.#document).replace(/^<\?xml[^>]*\?>\s*/, '');
    return Buffer.from(`<?xml version="1.0" encoding="utf-8"?>\r\n${body}\r\n`);
  }

  /** The settings of one component in one pass; made when they are not there. */
  component(pass: 'specialize' | 'oobeSystem', name: string, architecture: string): Component {
    const root = this.#root();
    const settings =
      childrenOf(root, 'settings').find((child) => child.getAttribute('pass') === pass) ??
      this.#append(root, 'settings', { pass });
    // Setup marks what it did when it generalised the master, and would leave it out.
    settings.removeAttribute('wasPassProcessed');
    const found = childrenOf(settings, 'component').find(
      (child) =>
        child.getAttribute('name') === name && child.getAttribute('processorArchitecture') === architecture,
    );
    const made =
      found ??
      this.#append(settings, 'component', {
        name,
        processorArchitecture: architecture,
        publicKeyToken: '31bf3856ad364e35',
        language: 'neutral',
        versionScope: 'nonSxS',
      });
    if (made.lookupPrefix(WCM) === null) made.setAttributeNS(XMLNS, 'xmlns:wcm', WCM);
    return new Component(made);
  }

  #root(): Element {
    const root = this.#document.documentElement;
    if (root === null) throw new RangeError('an answer file without root');
    return root;
  }

  #append(parent: Element, name: string, attributes: Record<string, string>): Element {
    const child = this.#document.createElementNS(UNATTEND, qualified(parent, name));
    for (const [key, value] of Object.entries(attributes)) child.setAttribute(key, value);
    parent.appendChild(child);
    return child;
  }
}

/** A place in an answer file whose children are set. */
export class Component {
  readonly #element: Element;

  constructor(place: Element) {
    this.#element = place;
  }

  /** Replaces the child of that name; a new one is put first, where Setup wants single values. */
  set(child: NewElement): void {
    const made = this.#make(child);
    const [old, ...others] = childrenOf(this.#element, child.name);
    for (const other of others) this.#element.removeChild(other);
    if (old === undefined) this.#element.insertBefore(made, this.#element.firstChild);
    else this.#element.replaceChild(made, old);
  }

  /** The group of that name; a new one is put last, where Setup wants lists. */
  group(name: string): Component {
    const found = childrenOf(this.#element, name)[0];
    if (found !== undefined) return new Component(found);
    const made = this.#make(element(name, []));
    this.#element.appendChild(made);
    return new Component(made);
  }

  /** Adds to a list; what has the same text in its child `identity` is replaced. */
  put(child: NewElement, identity: string): void {
    const made = this.#make(child);
    const wanted = textOf(made, identity);
    for (const old of childrenOf(this.#element, child.name)) {
      if (textOf(old, identity).toLowerCase() === wanted.toLowerCase()) this.#element.removeChild(old);
    }
    this.#element.appendChild(made);
  }

  /** The texts of one child of all that are listed under a name. */
  texts(name: string, child: string): string[] {
    return childrenOf(this.#element, name).map((listed) => textOf(listed, child));
  }

  #make({ name, content, add }: NewElement): Element {
    const document = this.#element.ownerDocument;
    if (document === null) throw new RangeError('an element without document');
    const made = document.createElementNS(UNATTEND, qualified(this.#element, name));
    const wcm = this.#element.lookupPrefix(WCM) ?? 'wcm';
    if (add !== undefined) {
      made.setAttributeNS(WCM, `${wcm}:action`, 'add');
      if (add.key !== undefined) made.setAttributeNS(WCM, `${wcm}:keyValue`, add.key);
    }
    if (typeof content === 'string') made.appendChild(document.createTextNode(content.toWellFormed()));
    else for (const child of content) made.appendChild(this.#make(child));
    return made;
  }
}

function qualified(parent: Element, name: string): string {
  return parent.prefix ? `${parent.prefix}:${name}` : name;
}

function childrenOf(parent: Element, name: string): Element[] {
  const children: Element[] = [];
  for (let node = parent.firstChild; node !== null; node = node.nextSibling) {
    const child = node as Element;
    if (node.nodeType === node.ELEMENT_NODE && child.localName === name && child.namespaceURI === UNATTEND) {
      children.push(child);
    }
  }
  return children;
}

function textOf(parent: Element, name: string): string {
  return childrenOf(parent, name)[0]?.textContent?.trim() ?? '';
}

/** By its byte order mark, else by its declaration, else UTF-8 (XML 1.0, appendix F). */
function decodeXml(bytes: Buffer): string {
  const head = bytes.toString('latin1', 0, 200);
  const declared = /^<\?xml[^>]*encoding\s*=\s*["']([\w.-]+)["']/.exec(head)?.[1] ?? 'utf-8';
  const label = head.startsWith('\xff\xfe')
    ? 'utf-16le'
    : head.startsWith('\xfe\xff')
      ? 'utf-16be'
      : declared;
  try {
    return new TextDecoder(label, { fatal: true }).decode(bytes);
  } catch {
    return bytes.toString('latin1');
  }
}
