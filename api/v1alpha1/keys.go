package v1alpha1

// Label and annotation keys, finalizers and field owners.
const (
	// LabelCatalog names the Catalog that published an object, and
	// LabelCatalogNamespace its namespace. Only objects that carry both are pruned.
	LabelCatalog          = "kubernaut.ai/catalog"
	LabelCatalogNamespace = "kubernaut.ai/catalog-namespace"
	// AnnotationRevision is the catalog revision that an object came from.
	AnnotationRevision = "kubernaut.ai/revision"
	// LabelExecution names the WorkflowExecution that a child belongs to.
	LabelExecution = "kubernaut.ai/execution"
	// LabelStep names the step that a child belongs to.
	LabelStep = "kubernaut.ai/step"
	// LabelActionExecution names the ActionExecution that a Job or Pod belongs to.
	LabelActionExecution = "kubernaut.ai/action-execution"
	// AnnotationRequestedBy says which person or system asked for a run.
	AnnotationRequestedBy = "kubernaut.ai/requested-by"
	// Finalizer keeps an object until its children are released.
	Finalizer = "kubernaut.ai/finalizer"
	// FieldOwner is the server-side apply owner of everything we write.
	FieldOwner = "kubernaut"
	// ContractPath is where an action image carries its contract.
	ContractPath = "/action-contract.yaml"
	// ActionEntrypoint is the command that every action image starts with.
	ActionEntrypoint = "/action-entrypoint"
)
