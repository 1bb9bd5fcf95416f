package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
)

// Of all ConfigMaps the cache asks for the one with the settings, wherever else
// the controller works.
func TestOneConfigMapIsRead(t *testing.T) {
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, kind := range []schema.GroupVersionKind{corev1.SchemeGroupVersion.WithKind("ConfigMap"), corev1.SchemeGroupVersion.WithKind("Pod"),
		corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim"), batchv1.SchemeGroupVersion.WithKind("Job")} {
		mapper.Add(kind, meta.RESTScopeNamespace)
	}
	for _, namespace := range []string{"", "team"} {
		asked := make(chan string, 100)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked <- r.URL.Path + " " + r.URL.Query().Get("fieldSelector")
			http.NotFound(w, r)
		}))
		defer server.Close()
		options := cacheOptions(options{namespace: "ops", watchNamespace: namespace})
		options.Mapper = mapper
		c, err := cache.New(&rest.Config{Host: server.URL}, options)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.GetInformer(t.Context(), &corev1.ConfigMap{}, cache.BlockUntilSynced(false)); err != nil {
			t.Fatal(err)
		}
		go func() { _ = c.Start(t.Context()) }()
		const want = "/api/v1/namespaces/ops/configmaps metadata.name=kubernaut-workflowexecution-config"
		if got := <-asked; got != want {
			t.Errorf("watching %q it asks for %s, want %s", namespace, got, want)
		}
	}
}
