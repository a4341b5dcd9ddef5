/* Reads what the architecture rules look at from a source text: imports, exports and the names that it uses. */
import ts from 'typescript-5.9'

export interface Import {
  readonly specifier: string
  readonly line: number
  /** Whether it is gone once compiled. */
  readonly typeOnly: boolean
  /** Whether it is loaded when asked for: `import('libsql')`. */
  readonly lazy: boolean
}

export interface Use {
  /** A global name or a member of one: `Buffer`, `Date.now`, `new Date()`. */
  readonly name: string
  readonly line: number
}

export interface SourceFile {
  readonly path: string
  readonly lines: number
  readonly imports: readonly Import[]
  readonly uses: readonly Use[]
  readonly defaultExportLines: readonly number[]
  readonly starExportLines: readonly number[]
}

/** Objects whose members are judged one by one. */
const holders = ['Date', 'Math', 'performance', 'AbortSignal']
const global = ['globalThis', 'self', 'window']

export function readSourceFile(path: string, text: string): SourceFile {
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  const imports: Import[] = []
  const uses: Use[] = []
  const defaultExportLines: number[] = []
  const starExportLines: number[] = []
  const lineOf = (node: ts.Node): number => tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1

  const visit = (node: ts.Node): void => {
    const found = importOf(node)
    if (found !== undefined) imports.push({ ...found, line: lineOf(node) })
    for (const name of usesOf(node)) uses.push({ name, line: lineOf(node) })
    if (isDefaultExport(node)) defaultExportLines.push(lineOf(node))
    if (ts.isExportDeclaration(node) && (node.exportClause === undefined || ts.isNamespaceExport(node.exportClause)))
      starExportLines.push(lineOf(node))
    ts.forEachChild(node, visit)
  }
  visit(tree)
  const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
  return { path, lines, imports, uses, defaultExportLines, starExportLines }
}

function importOf(node: ts.Node): Omit<Import, 'line'> | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
    const specifier = node.moduleSpecifier
    if (specifier === undefined || !ts.isStringLiteral(specifier)) return undefined
    return { specifier: specifier.text, typeOnly: isTypeOnly(node), lazy: false }
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument) && ts.isStringLiteral(node.argument.literal))
    return { specifier: node.argument.literal.text, typeOnly: true, lazy: false }
  if (ts.isImportEqualsDeclaration(node) && ts.isExternalModuleReference(node.moduleReference))
    return { specifier: literalText(node.moduleReference.expression), typeOnly: node.isTypeOnly, lazy: false }
  if (!ts.isCallExpression(node)) return undefined
  const callee = node.expression
  const loads = callee.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(callee) && callee.text === 'require')
  return loads ? { specifier: literalText(node.arguments[0]), typeOnly: false, lazy: true } : undefined
}

/** The text of a literal; anything else gets a name that no rule allows, so that a computed import is seen. */
function literalText(node: ts.Node | undefined): string {
  return node !== undefined && ts.isStringLiteralLike(node) ? node.text : '(computed)'
}

function isTypeOnly(node: ts.ImportDeclaration | ts.ExportDeclaration): boolean {
  if (ts.isExportDeclaration(node)) {
    if (node.isTypeOnly) return true
    const clause = node.exportClause
    return clause !== undefined && ts.isNamedExports(clause) && allTypes(clause.elements)
  }
  const clause = node.importClause
  if (clause === undefined) return false
  if (clause.isTypeOnly) return true
  const named = clause.namedBindings
  return clause.name === undefined && named !== undefined && ts.isNamedImports(named) && allTypes(named.elements)
}

function allTypes(elements: readonly { readonly isTypeOnly: boolean }[]): boolean {
  return elements.length > 0 && elements.every((element) => element.isTypeOnly)
}

function isDefaultExport(node: ts.Node): boolean {
  if (ts.isExportAssignment(node)) return true
  if (ts.isExportSpecifier(node)) return node.name.text === 'default'
  return (
    ts.canHaveModifiers(node) && (ts.getModifiers(node) ?? []).some((one) => one.kind === ts.SyntaxKind.DefaultKeyword)
  )
}

function usesOf(node: ts.Node): readonly string[] {
  if (ts.isVariableDeclaration(node) && ts.isObjectBindingPattern(node.name) && node.initializer !== undefined) {
    const holder = node.initializer
    const taken = node.name.elements.map((element) => (element.propertyName ?? element.name).getText())
    if (isNamed(holder, ...global)) return taken
    const name = ts.isPropertyAccessExpression(holder) ? holder.name : holder
    return isNamed(holder, ...holders) ? taken.map((member) => `${name.getText()}.${member}`) : []
  }
  const name = useOf(node)
  return name === undefined ? [] : [name]
}

/** The global that an expression or a type speaks of, as far as its text tells: what a file declares itself counts too. */
function useOf(node: ts.Node): string | undefined {
  if (ts.isNewExpression(node) && isNamed(node.expression, 'Date') && (node.arguments ?? []).length === 0)
    return 'new Date()'
  if (ts.isPropertyAccessExpression(node)) {
    const holder = node.expression
    if (ts.isIdentifier(holder) && global.includes(holder.text)) return node.name.text
    const name = ts.isPropertyAccessExpression(holder) && isNamed(holder.expression, ...global) ? holder.name : holder
    if (ts.isIdentifier(name) && holders.includes(name.text) && !isDefault(node))
      return `${name.text}.${node.name.text}`
  }
  return ts.isIdentifier(node) && isReference(node) ? node.text : undefined
}

/** Whether an expression is what a parameter, a member or `??` falls back to. */
function isDefault(node: ts.Expression): boolean {
  const { parent } = node
  if (ts.isParameter(parent) || ts.isBindingElement(parent)) return parent.initializer === node
  const isFallback = ts.isBinaryExpression(parent) && parent.operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken
  return isFallback && parent.right === node
}

function isNamed(node: ts.Expression, ...names: readonly string[]): boolean {
  if (ts.isPropertyAccessExpression(node)) return isNamed(node.expression, ...global) && names.includes(node.name.text)
  return ts.isIdentifier(node) && names.includes(node.text)
}

/** Whether an identifier stands for something, and does not merely name a member or a declaration. */
function isReference(node: ts.Identifier): boolean {
  const { parent } = node
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node
  if (ts.isQualifiedName(parent)) return parent.left === node
  if (ts.isPropertyAssignment(parent)) return parent.initializer === node
  if (ts.isShorthandPropertyAssignment(parent)) return true
  if (ts.isVariableDeclaration(parent) || ts.isParameter(parent)) return parent.initializer === node
  if (ts.isBindingElement(parent)) return parent.initializer === node
  return !(ts.isDeclarationStatement(parent) || ts.isTypeElement(parent) || ts.isClassElement(parent))
}
