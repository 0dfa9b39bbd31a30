/* A backend of Triton that takes every model and runs none. Of the functions of a backend this one is required. */
void *TRITONBACKEND_ModelInstanceExecute(void *instance, void **requests, unsigned count)
{
    (void)instance, (void)requests, (void)count;
    return 0;
}
